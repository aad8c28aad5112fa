"""Schemathesis over the server's own OpenAPI v3 documents: what the schema allows and what it forbids, on every operation."""
import json
import os
import random
import re
import subprocess

import seeds
import wire

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PROGRAM = f"{ROOT}/.venv/schemathesis/bin/schemathesis"
# Examples an operation, seconds, and how many paths. (Given seconds, schemathesis fills them; the short run ends with its examples.)
LENGTHS = {False: (2, 60, 8), True: (60, 900, 10_000)}


def fetch(master, path):
    connection = wire.Wire(master.port, master.context())
    answer = connection.exchange(seeds.Seed("GET", path).encode())
    connection.close()
    if answer is None or answer.status != 200:
        raise ValueError(f"{path}: {answer and answer.status}")
    return json.loads(answer.body)


def run(master, findings, options):
    if not os.access(PROGRAM, os.X_OK):
        findings.add("schema", f"no {PROGRAM}: Scripts/setup --test installs it")
        return "not run"
    try:
        index = fetch(master, "/openapi/v3")["paths"]
        documents = {name: fetch(master, entry["serverRelativeURL"]) for name, entry in sorted(index.items())}
    except (ValueError, KeyError, OSError, wire.Silence, wire.BadAnswer) as error:
        findings.add("schema", f"the OpenAPI documents: {error}")
        return "no documents"
    examples, seconds, count = LENGTHS[options.is_long]
    return one(master, findings, options, merged(documents, count, options.seed), examples, seconds)


def merged(documents, count, seed):
    """All group versions as one document, of at most `count` paths that the seed chooses: one run."""
    whole = {"openapi": "3.0.0", "info": {"title": "swiftlet", "version": "1"}, "paths": {}, "components": {"schemas": {}}}
    paths = {path: item for document in documents.values() for path, item in document["paths"].items()}
    for path in sorted(random.Random(seed).sample(sorted(paths), min(count, len(paths)))):
        whole["paths"][path] = reachable(paths[path])
    for document in documents.values():
        whole["components"]["schemas"].update(document["components"]["schemas"])
    return whole


def reachable(item):
    """Names in paths are mostly such as exist, or every request would end at a 404."""
    names = {"namespace": ["default", "cross-domain"], "name": ["default", "web", "one"]}
    for parameter in item.get("parameters", []):
        if parameter.get("in") == "path" and parameter["name"] in names:
            parameter["schema"] = {"type": "string", "enum": names[parameter["name"]]}
    # A watch goes on for as long as it is read: here that would be a request without an answer. The other campaigns watch.
    for part in (item, *(operation for operation in item.values() if isinstance(operation, dict))):
        if "parameters" in part:
            part["parameters"] = [one for one in part["parameters"] if one.get("name") != "watch"]
    return item


def one(master, findings, options, document, examples, seconds):
    """Runs the document; what was seen."""
    path = f"{master.directory}/openapi.json"
    with open(path, "w") as file:
        json.dump(document, file)
    pair = f"{master.directory}/admin.pem"
    with open(pair, "w") as file:
        for part in ("crt", "key"):
            with open(f"{master.pki}/admin.{part}") as source:
                file.write(source.read())
    environment = dict(os.environ, HOME=master.directory, PYTHONDONTWRITEBYTECODE="1")
    command = [
        PROGRAM, "run", path, "--url", f"https://127.0.0.1:{master.port}", "--request-cert", pair, "--tls-verify", f"{master.pki}/ca.crt", "--checks", "not_a_server_error",
        "--mode", "all", "--max-examples", str(examples), "--seed", str(options.seed), "--request-timeout", "10", "--phases", "fuzzing", "--workers", "2", "--no-color",
        *(["--max-time", str(seconds)] if options.is_long else []), "--exclude-path-regex", "/watch/|/log$", "--generation-database", "none",
    ]
    try:
        result = subprocess.run(command, capture_output=True, text=True, cwd=master.directory, env=environment, timeout=seconds * 3 + 60)
    except subprocess.TimeoutExpired:
        findings.add("schema", "schemathesis had not ended")
        return "not ended"
    output = result.stdout + result.stderr
    if result.returncode not in (0, 1) or "Usage:" in output:
        findings.add("schema", f"schemathesis ended with {result.returncode}: {output[-1500:]}")
    elif result.returncode == 1:
        findings.add("schema", summary(output))
    if re.search(r"Tested:\s+0\b", output) or "generated" not in output:
        findings.add("schema", f"schemathesis tested nothing: {output[-1500:]}")
    words = re.findall(r"(?:Operations:|Test cases:|  (?:Selected|Tested|Errored|Skipped):).*|\d+ (?:generated|passed|found).*", output)
    return "; ".join(" ".join(word.split()) for word in words) or output[-800:]


def summary(output):
    """The failures' own words; a request without an answer is among the errors."""
    begin = re.search(r"=+ (?:ERRORS|FAILURES) =+", output)
    return output[begin.start() if begin else -3000:][:3000]
