##! Loaded by zeek-cluster-controller.zeek where the intelligence framework is. Has
##! it read feeds that are set while the node runs: files of indicators, as those
##! that scripts name in Intel::read_files, and forgets what they hold no more.

@load base/frameworks/input
@load base/frameworks/intel

module ZeekClusterController;

export {
	## Paths of files with indicators, with tabs between them. A file never changes:
	## other indicators are in another one. All that are new are read before what
	## was only in those that are not named any more is removed; when one of them is
	## not as it should be, nothing of it is inserted, and nothing removed.
	option feeds = "";

	## How many indicators are known of each file, by its path.
	global feed_sizes: table[string] of count;

	## An indicator was read.
	global feed_item: event(description: Input::EventDescription,
	    tpe: Input::Event, item: Intel::Item);

	## A reader complains of a file.
	global feed_error: event(description: Input::EventDescription, message: string,
	    level: Reporter::Level);

	## Some of the indicators that were read are to be inserted.
	global insert_items: event(name: string, start: count);
}

# Under this the intelligence framework tells indicators of one source from each
# other.
type Indicators: set[string, Intel::Type, string];

# A file that is being read.
type Reading: record {
	path: string;
	items: vector of Intel::Item &default=vector();
	complaints: count &default=0;
};

# Others have their turn after so many indicators.
const batch = 1000;

global known: table[string] of Indicators;
global wanted: set[string];
# By the name of the input stream, which no two may share.
global readings: table[string] of Reading;
global streams = 0;
global has_failed = F;

function is_being_read(path: string): bool
	{
	for ( _, reading in readings )
		{
		if ( reading$path == path )
			return T;
		}

	return F;
	}

function is_known(indicator: string, indicator_type: Intel::Type,
    source: string): bool
	{
	for ( _, indicators in known )
		{
		if ( [indicator, indicator_type, source] in indicators )
			return T;
		}

	return F;
	}

function forget(path: string)
	{
	local indicators = known[path];
	delete known[path];
	delete feed_sizes[path];

	for ( [indicator, indicator_type, source] in indicators )
		{
		if ( ! is_known(indicator, indicator_type, source) )
			Intel::remove(Intel::Item($indicator=indicator,
			    $indicator_type=indicator_type,
			    $meta=Intel::MetaData($source=source)));
		}
	}

# Ends a change of feeds, unless one is still being read.
function settle_feeds()
	{
	if ( |readings| > 0 )
		return;

	if ( ! has_failed )
		{
		local unwanted: vector of string;

		for ( path in known )
			{
			if ( path !in wanted )
				unwanted += path;
			}

		for ( _, gone in unwanted )
			forget(gone);
		}

	has_failed = F;
	is_busy = F;
	acknowledge_options();
	}

function complain_of(name: string, message: string)
	{
	++readings[name]$complaints;
	complain(message);
	}

# A file with a fault is not used at all.
function give_up(name: string)
	{
	has_failed = T;
	delete readings[name];
	Input::remove(name);
	settle_feeds();
	}

function read_feed(path: string)
	{
	local name = fmt("zeek-cluster-controller-feed-%d", ++streams);
	readings[name] = Reading($path=path);
	Input::add_event([$source=path, $name=name, $reader=Input::READER_ASCII,
	    $mode=Input::MANUAL, $fields=Intel::Item, $ev=feed_item,
	    $error_ev=feed_error, $config=table(["fail_on_file_problem"] = "T")]);
	}

function feeds_changed(id: string, value: string): string
	{
	wanted = set();

	for ( _, path in split_string(value, /\t/) )
		{
		if ( path != "" )
			add wanted[path];
		}

	is_busy = T;

	for ( feed in wanted )
		{
		if ( feed !in known && ! is_being_read(feed) )
			read_feed(feed);
		}

	settle_feeds();
	return value;
	}

# What Zeek takes for an address or a subnet that is none would match others.
function is_valid(item: Intel::Item): bool
	{
	switch ( item$indicator_type )
		{
		case Intel::ADDR:
			return is_valid_ip(item$indicator);
		case Intel::SUBNET:
			return is_valid_subnet(item$indicator);
		default:
			return T;
		}
	}

event ZeekClusterController::feed_item(description: Input::EventDescription,
    tpe: Input::Event, item: Intel::Item)
	{
	local name = description$name;

	if ( name !in readings )
		return;

	if ( ! is_valid(item) )
		complain_of(name, fmt("Invalid value for %s: %s", item$indicator_type,
		    item$indicator));
	else if ( readings[name]$complaints == 0 )
		readings[name]$items += item;
	}

event ZeekClusterController::feed_error(description: Input::EventDescription,
    message: string, level: Reporter::Level)
	{
	local name = description$name;

	if ( name !in readings || level == Reporter::INFO )
		return;

	complain_of(name, message);

	# The reader does not go on: nothing says that it has ended.
	if ( level == Reporter::ERROR )
		give_up(name);
	}

event Input::end_of_data(name: string, source: string)
	{
	if ( name !in readings )
		return;

	if ( readings[name]$complaints > 0 )
		{
		give_up(name);
		return;
		}

	Input::remove(name);
	known[source] = Indicators();
	event ZeekClusterController::insert_items(name, 0);
	}

event ZeekClusterController::insert_items(name: string, start: count)
	{
	local reading = readings[name];
	local path = reading$path;
	local end = start + batch;
	local i = start;

	while ( i < end && i < |reading$items| )
		{
		local item = reading$items[i];
		Intel::insert(item);
		add known[path][to_lower(item$indicator), item$indicator_type,
		    item$meta$source];
		++i;
		}

	if ( i < |reading$items| )
		{
		event ZeekClusterController::insert_items(name, i);
		return;
		}

	feed_sizes[path] = |known[path]|;
	delete readings[name];
	settle_feeds();
	}

event zeek_init() &priority=-50
	{
	Option::set_change_handler("ZeekClusterController::feeds", feeds_changed);
	}
