"""One party of a two-party private set intersection: `python -m psi_party TASK-CONFIG`.

task_input_config: {"protocol": "PROTOCOL_RR22", "receiver": "alice", "broadcast_result": true, "keys": ["id"],
"input": {"alice": "alice.csv", "bob": "bob.csv"}, "output": "psi.csv"}. `input` is relative to the domain's data,
`output` to the job's volume; DATA_DIR, JOB_DIR and the working directory may be set for a run outside a cluster.
"""
import json
import os
import shutil
import sys
import time

import spu_native
from taskconf import TaskConf

DATA_DIR = os.environ.get("DATA_DIR", "/home/kuscia/var/storage/data")
JOB_DIR = os.environ.get("JOB_DIR", "/home/kuscia/var/storage/job")
PORT = "psi"


def say(conf: TaskConf, text: str) -> None:
    print(f"[{conf.party}] {text}", flush=True)


def open_link(conf: TaskConf, link):
    """The yacl link as SecretFlow's engines make it under Kuscia: bind to the own address, peers over HTTP."""
    description = link.Desc()
    description.id = conf.task_id
    for name in conf.party_names():
        if name == conf.party:
            description.add_party(name, f"{os.environ.get('BIND_HOST', '127.0.0.1')}:{conf.own_port(PORT)}")
        else:
            description.add_party(name, f"http://{conf.endpoint(name, PORT)}")
    description.brpc_channel_protocol = "http"
    description.brpc_channel_connection_type = "pooled"
    # Bounds for a peer that never comes or falls silent; the cluster stops us much sooner when it sees the peer die.
    description.recv_timeout_ms = 60_000
    description.http_timeout_ms = 30_000
    description.connect_retry_times = 12
    description.connect_retry_interval_ms = 500
    context = link.create_brpc(description, conf.party_names().index(conf.party))
    # The library greets its peers again when it begins, and takes two greetings that lie there together for one: a peer whose second one
    # came while we slept over its first (as under a CPU limit) would be waited for in vain. So nobody goes on before all have linked.
    context.barrier()
    return context


def own_input(conf: TaskConf) -> str:
    """A name of the input in the working directory: the library writes `<input>.meta` beside what it reads."""
    source = os.path.join(DATA_DIR, conf.for_party("input"))
    if not os.path.isfile(source):
        raise SystemExit(f"[{conf.party}] input file {source} is not there: put it into the domain's data directory")
    name = os.path.abspath("input.csv")
    if os.path.lexists(name):
        os.unlink(name)
    os.symlink(source, name)
    return name


def intersect(conf: TaskConf, psi, context, source: str, result: str):
    settings = conf.input
    return psi.psi_execute(psi.PsiExecuteConfig(
        protocol_conf=psi.PsiProtocolConfig(
            protocol=psi.parse_protocol(settings.get("protocol", "PROTOCOL_RR22")),
            receiver_rank=conf.party_names().index(settings["receiver"]),
            bucket_size=1 << 20,
            broadcast_result=bool(settings.get("broadcast_result", True)),
            ecdh_params=psi.EcdhParams(curve=psi.parse_curve_type("CURVE_25519"), batch_size=4096),
            rr22_params=psi.Rr22Rarams(low_comm_mode=False),
        ),
        input_params=psi.InputParams(
            type=psi.SourceType.SOURCE_TYPE_FILE_CSV, path=source, selected_keys=settings["keys"], keys_unique=True),
        output_params=psi.OutputParams(
            type=psi.SourceType.SOURCE_TYPE_FILE_CSV, path=result, disable_alignment=True),
    ), context)


def publish(result: str, name: str) -> str:
    """Copies into the job's volume under a temporary name, so that a reader never sees half a file."""
    target = os.path.join(JOB_DIR, name)
    shutil.copyfile(result, target + ".partial")
    os.replace(target + ".partial", target)
    return target


def main() -> None:
    started = time.monotonic()
    conf = TaskConf(sys.argv[1])
    link, psi = spu_native.load()
    source = own_input(conf)
    say(conf, f"waiting for {', '.join(name for name in conf.party_names() if name != conf.party)}")
    context = open_link(conf, link)
    linked = time.monotonic()
    say(conf, f"linked after {linked - started:.1f} s")
    report = intersect(conf, psi, context, source, os.path.abspath("result.csv"))
    context.stop_link()
    target = publish("result.csv", conf.for_party("output"))
    say(conf, f"intersection of {report.intersection_count} in {report.original_count} own rows "
              f"after {time.monotonic() - linked:.1f} s, written to {target}")
    print("RESULT " + json.dumps({"party": conf.party, "rows": report.original_count,
                                  "intersection": report.intersection_count}), flush=True)


if __name__ == "__main__":
    main()
