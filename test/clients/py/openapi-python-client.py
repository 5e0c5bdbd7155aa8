import json

from zeek_cluster import Client
from zeek_cluster.api.requests import (
    get_request,
    list_requests,
    request_deploy,
    request_restart,
    request_stage_configuration,
)
from zeek_cluster.api.state import list_nodes
from zeek_cluster.models import (
    ClusterConfigurationInput,
    ClusterNodeInput,
    ClusterRequest,
    ClusterRequestList,
    ClusterRole,
    InstanceInput,
    NodeList,
    Problem,
    RequestEvent,
    ResponseEvent,
    RestartArguments,
    StageConfigurationArguments,
)
from zeek_cluster.types import UNSET, Unset

client = Client(base_url="http://127.0.0.1:2149", timeout=None)

config = ClusterConfigurationInput(
    instances=[InstanceInput(name="agent-1")],
    nodes=[
        ClusterNodeInput(name="manager", instance="agent-1", role=ClusterRole.MANAGER),
        ClusterNodeInput(name="logger-1", instance="agent-1", role=ClusterRole.LOGGER),
        ClusterNodeInput(name="worker-1", instance="agent-1", role=ClusterRole.WORKER, interface="lo"),
    ],
)
staged = request_stage_configuration.sync(
    client=client, body=StageConfigurationArguments(config=config), prefer="wait=30"
)
assert isinstance(staged, ClusterRequest)
print(staged.type_, staged.state)
deployed = request_deploy.sync(client=client, prefer="wait=30")
assert isinstance(deployed, ClusterRequest)
print(deployed.type_, deployed.state)

nodes = list_nodes.sync(client=client, role=[ClusterRole.MANAGER, ClusterRole.LOGGER, ClusterRole.WORKER])
assert isinstance(nodes, NodeList)
for node in nodes.nodes:
    print(node.node, node.state)

restart = request_restart.sync(client=client, body=RestartArguments(nodes=["worker-1"]))
assert isinstance(restart, ClusterRequest)
with client.get_httpx_client().stream(
    "GET", f"/v1/requests/{restart.reqid}/events", headers={"Accept": "application/x-ndjson"}
) as answer:
    for line in answer.iter_lines():
        event = json.loads(line)
        if event["type"] == "restart_request":
            print(event["type"], json.dumps(RequestEvent.from_dict(event).reqid == restart.reqid))
        if event["type"] == "restart_response":
            print(event["type"], json.dumps(ResponseEvent.from_dict(event).reqid == restart.reqid))
finished = get_request.sync(restart.reqid, client=client, wait=30)
assert isinstance(finished, ClusterRequest)
print(finished.type_, finished.state)

missing = get_request.sync("nope", client=client)
assert isinstance(missing, Problem)
print(missing.status, missing.code)
wrong = list_requests.sync(client=client, after="nope")
assert isinstance(wrong, Problem) and not isinstance(wrong.errors, Unset)
print(wrong.status, wrong.code, wrong.errors[0].field)

after: str | Unset = UNSET
for _ in range(3):
    page = list_requests.sync(client=client, limit=1, after=after)
    assert isinstance(page, ClusterRequestList)
    for request in page.requests:
        print("page", request.type_)
    after = page.next_
