"""A checker of what agents were told: no task held by two, fences rise, nothing acknowledged is lost. No server is here.

One operation is a dict: op (claim, progress, complete), task, agent, fence, t0 and t1 (seconds of one clock, before it was
asked and after it was answered), ok (true, false, or null: nobody knows), until (of a claim: the end of its lease).
`history.py` alone checks the checker.
"""

from collections import defaultdict

FOREVER = float("inf")


def violations(history, completed, record):
    """What no correct store could have answered. `record`: what its log says was done, as (op, task, agent, fence)."""
    found, by_task = [], defaultdict(list)
    for op in history:
        by_task[op["task"]].append(op)
    for task, ops in by_task.items():
        if task is not None:
            found += of_task(task, ops, task in completed)
    for op in history:
        fence = op["fence"] if op["op"] == "claim" else None
        if op["ok"] and (op["op"], op["task"], op["agent"], fence) not in record:
            found.append(f"acknowledged and not on record: {op}")
    return found


def of_task(task, ops, is_completed):
    found = []
    claims = sorted((op for op in ops if op["op"] == "claim" and op["ok"]), key=lambda op: (op["fence"], op["t0"]))
    for first, then in zip(claims, claims[1:]):
        if first["fence"] == then["fence"]:
            # Asked again by the same agent, which had not heard the answer: the same claim.
            if first["agent"] != then["agent"]:
                found.append(f"{task}: fence {first['fence']} went to {first['agent']} and {then['agent']}")
            continue
        if then["t1"] < first["t0"]:
            found.append(f"{task}: fence {then['fence']} was given out before {first['fence']}")
        of_first = [op for op in ops if op["fence"] == first["fence"]]
        ended = min((op["t0"] for op in of_first if op["op"] == "complete" and op["ok"] is not False), default=FOREVER)
        lease = max(op["until"] for op in of_first if op["op"] == "claim" and op["ok"])
        if then["t1"] < min(ended, lease):
            found.append(f"{task}: {first['agent']} and {then['agent']} held it at once ({lease - then['t1']:.3f} s early)")
    for op in ops:
        if op["op"] == "claim" or not op["ok"]:
            continue
        if any(claim["fence"] > op["fence"] and claim["t1"] < op["t0"] for claim in claims):
            found.append(f"{task}: {op['op']} by {op['agent']} under the old fence {op['fence']}")
        if not any(claim["fence"] == op["fence"] and claim["agent"] == op["agent"] for claim in claims):
            found.append(f"{task}: {op['op']} by {op['agent']} without a claim")
    ends = [op for op in ops if op["op"] == "complete" and op["ok"]]
    if len(ends) > 1:
        found.append(f"{task} was completed {len(ends)} times")
    if ends and not is_completed:
        found.append(f"{task} was completed, and is not")
    for end in ends:
        if any(claim["t0"] > end["t1"] for claim in claims):
            found.append(f"{task} was claimed after its end")
    return found


def slowest_reclaims(history, silent, away):
    """Seconds from the end of a lease whose holder fell silent to the next claim of its task, longest first. Spans of time
    in which nobody could have taken it (`away`) are not counted."""
    claims = defaultdict(list)
    for op in history:
        if op["op"] == "claim" and op["ok"]:
            claims[op["task"]].append(op)
    waits = []
    for task, of_task in claims.items():
        of_task.sort(key=lambda op: op["fence"])
        for first, then in zip(of_task, of_task[1:]):
            if first["agent"] in silent and then["agent"] != first["agent"]:
                lost = sum(max(0, min(end, then["t1"]) - max(begin, first["until"])) for begin, end in away)
                waits.append((then["t1"] - first["until"] - lost, task))
    return sorted(waits, reverse=True)


def check_of_the_checker():
    def op(name, agent, fence, t0, t1, ok=True):
        until = t1 + 10 if name == "claim" else None
        return {"op": name, "task": "T-1", "agent": agent, "fence": fence, "t0": t0, "t1": t1, "ok": ok, "until": until}

    def told(history, completed=("T-1",), missing=()):
        record = {(o["op"], o["task"], o["agent"], o["fence"] if o["op"] == "claim" else None) for o in history}
        return violations(history, set(completed), record - set(missing))

    good = [op("claim", "a", 1, 0, 1), op("claim", "b", 2, 12, 13), op("claim", "b", 2, 13, 14), op("complete", "b", 2, 14, 15)]
    assert told(good) == [], told(good)
    unheard = [op("claim", "a", 1, 0, 1), op("complete", "a", 1, 2, 3, ok=None)]
    assert told(unheard, completed=()) == told(unheard) == []
    for history, sees in [
        (good + [op("claim", "c", 2, 13, 14)], "went to"),
        (good + [op("claim", "c", 3, 0.2, 0.5)], "before"),
        ([op("claim", "a", 1, 0, 1), op("claim", "b", 2, 2, 3)], "at once"),
        (good + [op("progress", "a", 1, 14, 15)], "old fence"),
        (good + [op("complete", "c", 2, 14, 15)], "without a claim"),
        (good + [op("complete", "b", 2, 16, 17)], "2 times"),
        (good + [op("claim", "c", 3, 30, 31)], "after its end"),
    ]:
        assert any(sees in text for text in told(history)), (sees, told(history))
    assert "and is not" in told(good, completed=())[0]
    assert "not on record" in told(good, missing=[("complete", "T-1", "b", None)])[0]
    assert slowest_reclaims(good, {"a"}, [])[0][0] == 2 and slowest_reclaims(good, {"a"}, [(11, 12.5)])[0][0] == 0.5


if __name__ == "__main__":
    check_of_the_checker()
    print("the checker sees what is wrong")
