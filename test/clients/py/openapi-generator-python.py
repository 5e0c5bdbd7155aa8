import json

from zeek_cluster import ApiClient, Configuration, RequestsApi, StateApi
from zeek_cluster.exceptions import BadRequestException, NotFoundException
from zeek_cluster.models import (
    ClusterConfigurationInput,
    ClusterEvent,
    ClusterNodeInput,
    ClusterRole,
    InstanceInput,
    Problem,
    RequestEvent,
    ResponseEvent,
    RestartArguments,
    StageConfigurationArguments,
)

client = ApiClient(Configuration(host="http://127.0.0.1:2149"))
requests = RequestsApi(client)

config = ClusterConfigurationInput(
    instances=[InstanceInput(name="agent-1")],
    nodes=[
        ClusterNodeInput(name="manager", instance="agent-1", role=ClusterRole.MANAGER),
        ClusterNodeInput(name="logger-1", instance="agent-1", role=ClusterRole.LOGGER),
        ClusterNodeInput(name="worker-1", instance="agent-1", role=ClusterRole.WORKER, interface="lo"),
    ],
)
staged = requests.request_stage_configuration(StageConfigurationArguments(config=config), prefer="wait=30")
print(staged.type, staged.state.value)
deployed = requests.request_deploy(prefer="wait=30")
print(deployed.type, deployed.state.value)

roles = [ClusterRole.MANAGER, ClusterRole.LOGGER, ClusterRole.WORKER]
for node in StateApi(client).list_nodes(role=roles).nodes:
    print(node.node, node.state.value)

restart = requests.request_restart(restart_arguments=RestartArguments(nodes=["worker-1"]))
stream = requests.stream_request_events_without_preload_content(
    restart.reqid, _headers={"Accept": "application/x-ndjson"}
)
# What is of a type that is new is no ClusterEvent: the type is looked at first.
for line in stream:
    event = json.loads(line)
    if event["type"] in ("restart_request", "restart_response"):
        parsed = ClusterEvent.from_dict(event).actual_instance
        assert isinstance(parsed, (RequestEvent, ResponseEvent))
        print(parsed.type.value, json.dumps(parsed.reqid == restart.reqid))
finished = requests.get_request(restart.reqid, wait=30)
print(finished.type, finished.state.value)

try:
    requests.get_request("nope")
except NotFoundException as error:
    assert isinstance(error.data, Problem)
    print(error.data.status, error.data.code)
try:
    requests.list_requests(after="nope")
except BadRequestException as error:
    assert isinstance(error.data, Problem) and error.data.errors
    print(error.data.status, error.data.code, error.data.errors[0].var_field)

after: str | None = None
for _ in range(3):
    page = requests.list_requests(limit=1, after=after)
    for request in page.requests:
        print("page", request.type)
    after = page.next
