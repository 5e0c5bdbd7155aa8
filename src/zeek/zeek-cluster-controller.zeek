##! Loaded by every node that zeek-cluster-controller starts. It lets the agent
##! on the node's host see that the node has joined its cluster (a client of the
##! WebSocket listener is acknowledged only once the node can publish) and ask
##! the node for the values of its identifiers.

@load base/frameworks/cluster

# The metrics of packets come from this script. Whoever has not loaded it has
# no use for its log. The node's own scripts are loaded before this one.
@ifndef ( Stats::report_interval )
@load policy/misc/stats

event zeek_init() &priority=-5
	{
	Log::disable_stream(Stats::LOG);
	}
@endif

module ZeekClusterController;

export {
	## Where the node serves its agent, on 127.0.0.1. Unset: it does not.
	const listen_port = 0/unknown &redef;

	## A node is asked at this prefix, followed by its name and a slash. The
	## slash keeps "worker-1" from hearing what is meant for "worker-10".
	const topic_prefix = "zeek/cluster-controller/node/" &redef;

	## Asks for the value of a global identifier.
	##
	## reply_topic: where the answer is to be published.
	##
	## reqid: handed back with the answer.
	##
	## id: the identifier's full name, for example "Cluster::node".
	global id_value_request: event(reply_topic: string, reqid: string, id: string);

	## Answers :zeek:see:`ZeekClusterController::id_value_request`.
	##
	## success: whether *value* is the identifier's value, as JSON. Otherwise it
	##          says what is wrong: "unknown id" or "no ID value".
	global id_value_response: event(reqid: string, node: string, success: bool,
	    value: string);
}

event ZeekClusterController::id_value_request(reply_topic: string,
    reqid: string, id: string)
	{
	local val = lookup_ID(id);

	# lookup_ID() has no other way to say that there is no value.
	if ( type_name(val) == "string" )
		{
		local text: string = val;

		if ( text == "<unknown id>" || text == "<no ID value>" )
			{
			Cluster::publish(reply_topic, ZeekClusterController::id_value_response,
			    reqid, Cluster::node, F, text[1 : -1]);
			return;
			}
		}

	Cluster::publish(reply_topic, ZeekClusterController::id_value_response, reqid,
	    Cluster::node, T, to_json(val));
	}

# After the cluster backends, which start at priorities 10 (ZeroMQ) and -10 (Broker).
event zeek_init() &priority=-100
	{
	if ( listen_port == 0/unknown )
		return;

	# Only parsing: see "zeek -a".
	if ( getenv("ZEEKCTL_CHECK_CONFIG") != ""
	    || getenv("ZEEKCTL_DISABLE_LISTEN") != "" )
		return;

	Cluster::subscribe(topic_prefix + Cluster::node + "/");

	if ( ! Cluster::listen_websocket([$listen_addr=127.0.0.1,
	    $listen_port=listen_port]) )
		Reporter::fatal(fmt("zeek-cluster-controller: cannot listen on 127.0.0.1:%s",
		    listen_port));
	}
