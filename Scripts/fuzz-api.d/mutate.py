"""Mutations, all driven by one random source: of a request's value (body, query, path, headers), and of its bytes."""
import copy

ODD_VALUES = [
    None, True, False, 0, -1, 1, 2**31, 2**63 - 1, 2**63, -(2**63) - 1, 10**40, 0.5, 1e308, float("inf"), float("nan"), "", " ", "a" * 300, "A.B", "..", "/", "a/b/c",
    "\u0000", "\u202e", "\ud800", "é", "😀" * 40, "0", "-1", "1e9999", "99999999999999999999Ei", "-5m", "2026-13-45T99:99:99Z", "0001-01-01T00:00:00Z",
    [], {}, [[]], [None], {"": ""}, {"a": None}, {"$patch": "replace"}, {"$patch": "delete"}, {"$patch": "nonsense"}, [{"$patch": "delete"}], {"$retainKeys": [1]},
    "{{.A}}", "$(A)", "../../etc/passwd", "%00", "kubernetes.io/" + "x" * 64, "Strict", "0x10", "١٢",
]
ODD_TEXTS = [
    "", "%", "%0", "%00", "%ff", "%c3%28", "%2e%2e", "%2F", "..", ".", "//", "\\", "a" * 5000, "é", "😀", "*", "0", "-1", "1", "99999999999999999999", "1e3", "true", "null",
    "a=b=c", "a in (", "a notin (b", "!a,", "a==", "metadata.name==", ",,,", "x!=y,x=y", "spec.nodeName", "metadata.nope=1", "a,b,c" * 200, "<script>", "'", '"', "+", "&", ";", "#",
    "18446744073709551616", "9223372036854775808", "0001", "NotOlderThan", "Exact", "Foreground", "Orphan", "nonsense", "%25%25", "%E2%80%AE", "\u2028",
]
PARAMETERS = [
    "watch", "limit", "continue", "resourceVersion", "resourceVersionMatch", "labelSelector", "fieldSelector", "timeoutSeconds", "allowWatchBookmarks",
    "sendInitialEvents", "dryRun", "fieldValidation", "fieldManager", "pretty", "gracePeriodSeconds", "propagationPolicy", "orphanDependents", "force", "includeObject",
    "container", "tailLines", "sinceSeconds", "follow", "previous", "timestamps", "limitBytes", "hash", "timeout",
]
SEGMENTS = [
    "api", "apis", "v1", "v2", "namespaces", "default", "pods", "nodes", "status", "scale", "binding", "eviction", "log", "exec", "attach", "portforward", "proxy", "token", "finalize",
    "approval", "kuscia.secretflow", "v1alpha1", "kusciajobs", "domains", "swiftlet", "tunnel", "openapi", "v3", "metrics", "watch", "secrets", "web", "%2e%2e", "..", "", "a" * 300, "%00", "%ff", "é",
]
HEADERS = [
    ("Content-Length", "0"), ("Content-Length", "5"), ("Content-Length", "-1"), ("Content-Length", "99999999999999999999"), ("Content-Length", "abc"), ("Content-Length", "+7"),
    ("Transfer-Encoding", "chunked"), ("Transfer-Encoding", "gzip, chunked"), ("Transfer-Encoding", "identity"), ("Content-Encoding", "gzip"), ("Expect", "100-continue"),
    ("Expect", "nonsense"), ("Connection", "close"), ("Connection", "upgrade"), ("Upgrade", "websocket"), ("Upgrade", "h2c"), ("HTTP2-Settings", "AAAA"), ("Host", "other"), ("Host", ""),
    ("Accept", "text/html"), ("Accept", "application/vnd.kubernetes.protobuf"), ("Accept", "*/*;q=0"), ("Accept", ","), ("Accept", "application/json;as=Table;v=v9;g=nope"),
    ("Accept", "a/b;" * 400), ("Content-Type", ""), ("Content-Type", "text/plain"), ("Content-Type", "application/apply-patch+yaml"), ("Content-Type", "application/json; charset=utf-16"),
    ("Content-Type", "application/vnd.kubernetes.protobuf"), ("Content-Type", "application/yaml"), ("If-None-Match", "*"), ("If-None-Match", '"' * 500), ("Range", "bytes=0-1"),
    ("Accept-Encoding", "gzip, br, zstd"), ("X-HTTP-Method-Override", "DELETE"), ("Impersonate-User", "system:admin"), ("X-Remote-User", "admin"), ("Authorization", "Bearer x"),
    ("Cookie", "a=" + "b" * 3000), ("X-Long", "y" * 70000), ("Origin", "null"), ("Trailer", "X"), ("Content-MD5", "?"), ("Date", "never"), ("X-é", "é"),
]
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE", "CONNECT", "PRI", "get", "G", "PROPFIND", "X" * 40]
MEDIA = ["application/json", "application/merge-patch+json", "application/strategic-merge-patch+json", "application/json-patch+json", "application/apply-patch+yaml", "application/vnd.kubernetes.protobuf", "text/plain"]


def places(value, path=()):
    """Every place of a JSON value."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from places(value[key], path + (key,))
    elif isinstance(value, list):
        for index in range(len(value)):
            yield from places(value[index], path + (index,))


def change_value(body, random):
    """One odd value somewhere, a member gone, renamed, doubled, or added. Always copies: a later change of the same body must not
    change two places, a list of this file, or make a circle."""
    every = list(places(body))
    path = random.choice(every)
    if not path:
        return copy.deepcopy(random.choice(ODD_VALUES)) if random.random() < 0.3 else body
    parent = body
    for step in path[:-1]:
        parent = parent[step]
    last, kind = path[-1], random.randrange(8)
    if kind < 4:
        parent[last] = copy.deepcopy(random.choice(ODD_VALUES))
    elif kind == 4:
        del parent[last]
    elif kind == 5 and isinstance(parent, dict):
        parent[random.choice(["", "a" * 200, "$patch", "$retainKeys", "metadata", "Name", "é", str(last).upper(), str(last) + " ", "\u0000"])] = copy.deepcopy(parent[last])
    elif kind == 6 and isinstance(parent, list):
        parent.extend(copy.deepcopy(parent[last]) for _ in range(random.choice([1, 50, 500])))
    else:
        other = body
        for step in random.choice(every):
            other = other[step] if isinstance(other, (dict, list)) and (isinstance(step, int) and isinstance(other, list) and step < len(other) or isinstance(other, dict) and step in other) else other
        parent[last] = copy.deepcopy(other)
    return body


def change_seed(seed, random):
    """A request that is well-formed HTTP and odd otherwise."""
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        kind = random.randrange(10)
        if kind < 5 and isinstance(seed.body, (dict, list)):
            seed.body = change_value(seed.body, random)
        elif kind == 5:
            seed.query.append((random.choice(PARAMETERS), random.choice(ODD_TEXTS)))
        elif kind == 6 and seed.query:
            index = random.randrange(len(seed.query))
            seed.query[index] = (seed.query[index][0], random.choice(ODD_TEXTS))
        elif kind == 7:
            parts = seed.path.split("/")
            index = random.randrange(1, len(parts) + 1)
            if random.random() < 0.5:
                parts.insert(index, random.choice(SEGMENTS))
            else:
                parts[min(index, len(parts) - 1)] = random.choice(SEGMENTS)
            seed.path = "/".join(parts)
        elif kind == 8:
            seed.method = random.choice(METHODS)
        else:
            seed.media = random.choice(MEDIA)
    return seed


def odd_payload(seed, random):
    """JSON that no serializer writes: deep, long, doubled, broken."""
    depth = random.choice([100, 600, 1000, 20_000, 200_000])
    text = seed.payload()
    return random.choice([
        lambda: b"[" * depth, lambda: b"[" * depth + b"]" * depth, lambda: b'{"a":' * depth + b"1" + b"}" * depth,
        lambda: b'{"metadata":{"name":"deep","annotations":' + b'{"a":' * depth + b"1" + b"}" * depth + b"}}",
        lambda: b'{"metadata":{"name":"n","generation":' + b"9" * random.choice([20, 400, 100_000]) + b"}}",
        lambda: b'{"data":{"k":1e' + b"9" * random.choice([3, 30, 3000]) + b"}}", lambda: b'{"spec":-0.' + b"0" * 5000 + b"1e-99999}",
        lambda: text.replace(b'"metadata"', b'"metadata":{"name":"first"},"metadata"', 1), lambda: text.replace(b'"', b'"\\ud800', 3), lambda: text.replace(b'"', b'"\\u0000', 5),
        lambda: text.replace(b":", b":\xff", 1), lambda: b"\xef\xbb\xbf" + text, lambda: text + text, lambda: text + b"\x00", lambda: text[: len(text) // 2], lambda: b"",
        lambda: b"\x00" * 1000, lambda: b'"' + b"a" * 1_000_000 + b'"', lambda: b'{"data":{' + b",".join(b'"k%d":"v"' % n for n in range(20_000)) + b'},"metadata":{"name":"wide"}}',
        lambda: b" " * 500_000 + text, lambda: b"nul", lambda: b"NaN", lambda: b"{'a':1}", lambda: b'{"a":1,}', lambda: b"/**/{}", lambda: b'{"kind":"Status"}', lambda: b"k8s\x00" + random.randbytes(60),
        lambda: b"k8s\x00\x0a\xff\xff\xff\xff\x0f", lambda: b"k8s\x00" + b"\x0a\x7f" * 300, lambda: text.decode("utf-8", "replace").encode("utf-16"),
    ])()


def change_bytes(data, random):
    """Damage to the bytes of a request, its head included."""
    data = bytearray(data)
    for _ in range(random.choice([1, 1, 2, 4, 16])):
        kind = random.randrange(9)
        place = random.randrange(max(1, len(data)))
        if kind == 0:
            data[place:place + 1] = bytes([data[place] ^ (1 << random.randrange(8))]) if data else b"x"
        elif kind == 1:
            del data[place:place + random.choice([1, 2, 10, 100])]
        elif kind == 2:
            data[place:place] = random.randbytes(random.choice([1, 4, 64]))
        elif kind == 3:
            data[place:place] = random.choice([b"\x00", b"\r", b"\n", b"\r\n", b"\r\n\r\n", b"%00", b"\xff\xfe", b"\xc0\x80", b" ", b"\t", b": ", b"HTTP/1.1", b"A" * 100_000])
        elif kind == 4:
            data = data[:place]
        elif kind == 5:
            data[place:place] = data[place:place + random.choice([5, 50, 500])]
        elif kind == 6:
            data = bytearray(bytes(data).replace(b"HTTP/1.1", random.choice([b"HTTP/1.0", b"HTTP/2.0", b"HTTP/0.9", b"HTTP/1.10", b"HTCPCP/1.0", b"", b"HTTP/1.1 x"]), 1))
        elif kind == 7:
            data = bytearray(add_header(bytes(data), *random.choice(HEADERS)))
        else:
            data = bytearray(in_chunks(bytes(data), random))
    return bytes(data)


def add_header(data, name, value):
    return data.replace(b"\r\n", f"\r\n{name}: {value}\r\n".encode(), 1)


def in_chunks(data, random):
    """The body as chunks, some of them wrong."""
    head, separator, body = data.partition(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length")]
    pieces, place = [], 0
    while place < len(body):
        size = random.choice([1, 7, 100])
        piece = body[place:place + size]
        pieces.append(b"%x\r\n" % len(piece) + piece + b"\r\n")
        place += size
    wrong = random.choice([
        b"", b"", b"ffffffffffffffff\r\n", b"-1\r\n", b"g\r\n", b"5;ext=" + b"x" * 1000 + b"\r\nabcde\r\n", b"0x5\r\nabcde\r\n", b"5\nabcde\n", b"\r\n", b"5 \r\nabcde\r\n", b"000000000000000000005\r\nabcde\r\n"])
    pieces.insert(random.randrange(len(pieces) + 1), wrong)
    end = random.choice([b"0\r\n\r\n", b"0\r\n\r\n", b"0\r\nX-Trailer: y\r\n\r\n", b"0\r\n" + b"T: u\r\n" * 200 + b"\r\n", b""])
    return b"\r\n".join(lines + [b"Transfer-Encoding: chunked"]) + b"\r\n\r\n" + b"".join(pieces) + end
