##! Loaded by every node that zeek-cluster-controller starts. Through it the agent
##! on the node's host sees that the node lives, that it has joined its cluster and
##! whom it does not see there, learns the values of its identifiers, and changes
##! its options.
##!
##! They talk through five files, in a directory of the node's own. A listener of
##! the node would not do: with ZeroMQ a client of a node that receives logs is
##! never served, since its backend binds what the node itself holds.
##!
##! ask:     questions, "<number> <identifier>" a line. The agent replaces the file.
##! options: values of options, as the configuration framework reads them, the
##!          last of them options_read. The agent replaces the file.
##! tell:    answers, a JSON object a line. The node appends; the agent empties it.
##! beat:    a JSON object. The node writes it anew every few seconds.
##! loaded:  a JSON object. The node writes it once, before its first beat.

@load base/frameworks/cluster
@load base/frameworks/config
@load base/frameworks/input

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
	## How often the node says that it lives.
	const beat_interval = 5secs &redef;

	## What the node says of itself.
	type Beat: record {
		## Of this process: a file may still hold what one before it has said.
		invocation: string;
		## Counts the beats.
		beat: count;
		## Whether the node has seen a manager of its cluster, or needs none.
		joined: bool;
		## Who should be seen and is not: by a manager anyone, by others managers.
		unseen: set[string];
		## How many errors were reported since it was started.
		errors: count;
	};

	## The scripts that the node was made from. Another one is no reason to
	## restart it.
	type Loaded: record {
		invocation: string;
		## Their paths, as they were found.
		scripts: vector of string;
	};

	## A line of "ask".
	type Question: record {
		text: string;
	};

	## A line of "tell".
	type Answer: record {
		invocation: string;
		## Of the question.
		number: count;
		## The identifier's value as JSON: a text, so that nobody reads it anew.
		value: string &optional;
		## Why there is none: "unknown id" or "no ID value".
		error: string &optional;
	};

	## A question was read.
	global question: event(description: Input::EventDescription, tpe: Input::Event,
	    text: string);

	## The last line of "options": "<number> <option> …". Answered with what the
	## reader has complained of, once the lines before it have been read. Options
	## that were set and are not named any more get the value that they had before.
	option options_read = "";

	## It is time to say that the node lives.
	global beat: event();

	## Returns whether a function returns a string. The script of the node's options
	## asks this of functions that return an identifier: nothing else tells of which
	## type that is while scripts are parsed, and whether or not it has a value.
	global is_text: function(f: any): bool;
}

# The directory of the files. Empty: nobody asks or listens.
const directory = getenv("ZEEK_CLUSTER_CONTROLLER_CHANNEL");
const invocation = getenv("INVOCATION_ID");

global joined = F;
global beats = 0;
global errors = 0;
# Until the first beat.
global loaded: vector of string;
# The question that was answered last. Their numbers grow.
global answered = 0;

# The configuration framework has its manager read the file and tell the others,
# which does not reach them with ZeroMQ: so each node reads a file of its own.
const options_file = directory + "/options";
const options_reader = "zeek-cluster-controller-options";

type OptionLine: record {
	line: string;
};

# What its reader puts there is of no use: lines that stay as they were are missing.
global option_lines: table[string] of string;
# What options had before they were set.
global originals: table[string] of any;
# What readers have complained of since the last answer about "options".
global complaints: vector of string;
# The numbers of those answers that are still to be given.
global unanswered: vector of count;
# Whether what an option has begun is not done: an answer waits for it.
global is_busy = F;

function is_text(f: any): bool
	{
	# Of the type "any" it could be either.
	return f is function(): string && ! ( f is function(): bool );
	}

function write(f: file, text: string)
	{
	enable_raw_output(f);
	print f, text;
	close(f);
	}

function is_manager(): bool
	{
	return Cluster::local_node_type() == Cluster::MANAGER;
	}

function has_manager(): bool
	{
	for ( _, n in Cluster::nodes )
		{
		if ( n$node_type == Cluster::MANAGER )
			return T;
		}

	return F;
	}

function unseen(): set[string]
	{
	local names: set[string];

	for ( name, n in Cluster::nodes )
		{
		if ( name != Cluster::node
		    && ! n?$id
		    && ( is_manager() || n$node_type == Cluster::MANAGER ) )
			add names[name];
		}

	return names;
	}

function write_beat()
	{
	++beats;
	write(open(directory + "/beat"), to_json(Beat($invocation=invocation,
	    $beat=beats, $joined=joined, $unseen=unseen(), $errors=errors)) +
	    "\n");
	}

function answer(number: count, id: string): Answer
	{
	local result = Answer($invocation=invocation, $number=number);
	local val = lookup_ID(id);

	# lookup_ID() has no other way to say that there is no value.
	if ( type_name(val) == "string" )
		{
		local text: string = val;

		if ( text == "<unknown id>" || text == "<no ID value>" )
			{
			result$error = text[1 : -1];
			return result;
			}
		}

	result$value = to_json(val);
	return result;
	}

# What a full disk has cut off the line before must not spoil this one.
function tell(result: Answer)
	{
	write(open_for_append(directory + "/tell"), "\n" + to_json(result) + "\n");
	}

event ZeekClusterController::question(description: Input::EventDescription,
    tpe: Input::Event, text: string)
	{
	if ( /[0-9]{1,16} [^ ]+/ != text )
		return;

	local parts = split_string1(text, / /);
	local number = to_count(parts[0]);

	# A file that was replaced is read from its beginning.
	if ( number <= answered )
		return;

	answered = number;
	tell(answer(number, parts[1]));
	}

function complain(message: string)
	{
	if ( |complaints| < 1000 )
		complaints += message;
	}

# Says that the options are set, once nothing that they have begun is under way.
function acknowledge_options()
	{
	if ( is_busy )
		return;

	for ( _, number in unanswered )
		tell(Answer($invocation=invocation, $number=number, $value=to_json(
		    complaints)));

	if ( |unanswered| > 0 )
		complaints = vector();

	unanswered = vector();
	}

function restore_options(named: set[string])
	{
	local gone: set[string];

	for ( id, val in originals )
		{
		if ( id !in named )
			{
			Option::set(id, val, options_reader);
			add gone[id];
			}
		}

	for ( id in gone )
		delete originals[id];
	}

event InputConfig::new_value(name: string, source: string, id: string,
    value: any)
	{
	if ( name != options_reader )
		return;

	if ( id != "ZeekClusterController::options_read" )
		{
		if ( id !in originals )
			originals[id] = copy(lookup_ID(id));

		Option::set(id, value, options_reader);
		return;
		}

	local parts = split_string(cat(value), / /);
	local named: set[string];

	for ( _, part in parts )
		add named[part];

	restore_options(named);
	unanswered += to_count(parts[0]);
	acknowledge_options();
	}

event reporter_warning(t: time, msg: string, location: string)
	{
	local origin = options_file + "/Input::READER_CONFIG: ";

	if ( starts_with(msg, origin) )
		complain(msg[|origin| :]);
	}

# Each of them is after zeek_init(), and before the beat that it begins.
event zeek_script_loaded(path: string, level: count)
	{
	if ( directory != "" )
		loaded += path;
	}

event reporter_error(t: time, msg: string, location: string)
	{
	++errors;

	# Who deploys may not wait for the next beat.
	if ( errors == 1 && beats > 0 )
		write_beat();
	}

event ZeekClusterController::beat()
	{
	if ( beats == 0 )
		{
		write(open(directory + "/loaded"), to_json(Loaded($invocation=invocation,
		    $scripts=loaded)) + "\n");
		loaded = vector();
		}

	write_beat();
	schedule beat_interval { ZeekClusterController::beat() };
	}

event Cluster::node_up(name: string, id: string) &priority=-5
	{
	if ( directory == ""
	    || joined
	    || name !in Cluster::nodes
	    || Cluster::nodes[name]$node_type != Cluster::MANAGER )
		return;

	joined = T;
	# Somebody waits for it.
	write_beat();
	}

# After the cluster backends, which start at priorities 10 (ZeroMQ) and -10 (Broker).
event zeek_init() &priority=-100
	{
	# Only parsing: see "zeek -a".
	if ( directory == "" || getenv("ZEEKCTL_CHECK_CONFIG") != "" )
		return;

	joined = is_manager() || ! has_manager();

	Input::add_event([$source=directory + "/ask",
	    $name="zeek-cluster-controller-ask", $reader=Input::READER_RAW,
	    $mode=Input::STREAM, $fields=Question, $ev=question, $want_record=F]);
	Input::add_table([$source=options_file, $name=options_reader,
	    $reader=Input::READER_CONFIG, $mode=Input::REREAD, $idx=OptionLine,
	    $val=OptionLine, $want_record=F, $destination=option_lines]);

	event ZeekClusterController::beat();
	}

# The node's own scripts are loaded before: who has not loaded the framework, as
# with -b, has no use for its indicators.
@ifdef ( Intel::insert )
@load ./zeek-cluster-intel
@endif
