"""What schemathesis is kept from: calls that would wait for a person for minutes, and keys that came before. What does not fit
the schema stays as it is."""

import itertools

import schemathesis

WAIT_MAX = 300
KEY_MAX = 200
numbers = itertools.count()


@schemathesis.hook
def before_call(context, case, kwargs):
    if isinstance(case.body, dict):
        wait = case.body.get("wait_seconds")
        if type(wait) in (int, float) and 0 < wait <= WAIT_MAX:
            case.body["wait_seconds"] = 0
    key = (case.headers or {}).get("Idempotency-Key")
    if isinstance(key, str) and 0 < len(key) <= KEY_MAX:
        # The same short text comes again and again, with other bodies.
        case.headers["Idempotency-Key"] = f"{key}-{next(numbers)}"
