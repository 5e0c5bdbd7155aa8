##! Loaded by every node that zeek-cluster-controller starts, before the node's own
##! scripts, so that these win. In a node that writes logs it sees to it that
##! finished ones go to where they are archived.

@load base/frameworks/cluster

# A reader looks at its file once in this time: at Zeek's default, a second, the
# agent would wait as long for an answer.
redef Threading::heartbeat_interval = 100msec;

# Only a node that writes logs has this variable. It is one, and no option on
# the command line: options come after all scripts, so that they would win over
# what a site's scripts say of rotation.
@if ( getenv("ZEEK_CLUSTER_CONTROLLER_LOG_QUEUE") != "" )
@load base/frameworks/cluster/nodes/logger
@load base/frameworks/logging

redef Log::default_rotation_dir = getenv("ZEEK_CLUSTER_CONTROLLER_LOG_QUEUE");
redef Log::default_rotation_interval = double_to_interval(to_double(getenv(
    "ZEEK_CLUSTER_CONTROLLER_ROTATION_INTERVAL")));
redef Log::rotation_format_func = archiver_rotation_format_func;
# The command of ZeekControl, which nobody has here.
redef Log::default_rotation_postprocessor_cmd = "";
# What a crash has left open is rotated by the next process.
redef LogAscii::enable_leftover_log_rotation = T;

# Two underscores would end the metadata in the name of a log.
@if ( "log_suffix" in archiver_log_metadata && /__/ in Cluster::node )
redef archiver_log_metadata += {
	["log_suffix"] = gsub(Cluster::node, /__/, "_."),
};
@endif
@endif
