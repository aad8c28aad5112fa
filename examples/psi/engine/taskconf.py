"""What an engine reads of the task configuration that Kuscia renders for it.

The file is JSON; `task_input_config`, `task_cluster_def` and `allocated_ports` are JSON again, as text or nested.
"""
import json


def _nested(value):
    return json.loads(value) if isinstance(value, str) else value


class TaskConf:
    def __init__(self, path: str):
        with open(path, encoding="utf-8") as file:
            document = json.load(file)
        self.task_id = document["task_id"]
        self.input = _nested(document["task_input_config"])
        cluster = _nested(document["task_cluster_def"])
        self.parties = cluster["parties"]
        self.party = self.parties[int(cluster["selfPartyIdx"])]["name"]
        self._ports = {port["name"]: int(port["port"]) for port in _nested(document["allocated_ports"])["ports"] or []}

    def party_names(self) -> list:
        return [party["name"] for party in self.parties]

    def own_port(self, name: str) -> int:
        if name not in self._ports:
            raise KeyError(f"allocated_ports has no port '{name}', only {sorted(self._ports)}")
        return self._ports[name]

    def endpoint(self, party: str, port: str) -> str:
        """Where the other party's first replica listens: "name:number"."""
        for candidate in self.parties:
            if candidate["name"] != party:
                continue
            for service in candidate["services"]:
                if service["portName"] == port:
                    return service["endpoints"][0]
        raise KeyError(f"task_cluster_def has no endpoint of party '{party}', port '{port}'")

    def for_party(self, name: str):
        """`task_input_config[name]`, which may be one value for all or a value per party."""
        value = self.input[name]
        return value[self.party] if isinstance(value, dict) else value
