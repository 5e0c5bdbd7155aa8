"""What schemathesis has to know of the API that its description does not say."""

import schemathesis


def has_null(value):
    members = value.values() if isinstance(value, dict) else value if isinstance(value, list) else []
    return any(member is None or has_null(member) for member in members)


@schemathesis.hook
def filter_case(_context, case):
    # A member that is null counts as absent: zeek-client prints it so. The schemas do not say it, for the sake of generated clients.
    return not has_null(case.body)


@schemathesis.serializer("application/x-tar", "application/gzip")
def archive(_context, value):
    # Bytes as they are: hardly any of them are an archive.
    data = getattr(value, "data", value)
    return data if isinstance(data, bytes) else str(data).encode()
