"""What lateness costs: later never scores more, the raw score stays, the order of attempts doesn't matter."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from grader.cohort.gradebooks.lateness import Facts, Policy, Step, chosen, judge
from grader.cohort.gradebooks.policy_file import policy_of, read_policy
from grader.errors import UsageError

DUE = datetime(2026, 10, 1, 21, 59, tzinfo=UTC)
DAY = timedelta(days=1)
BERLIN = ZoneInfo("Europe/Berlin")

PERCENT = st.decimals(0, 100, places=2)
POINTS = st.decimals(0, 70, places=3)
LATENESS = st.timedeltas(timedelta(days=-3), timedelta(days=30))


@st.composite
def policies(draw):
    rule = draw(st.sampled_from(["none", "percent", "points", "steps"]))
    hours = sorted(draw(st.sets(st.integers(0, 200), min_size=1, max_size=4)))
    percents = sorted(draw(st.lists(PERCENT, min_size=len(hours), max_size=len(hours))))
    steps = tuple(Step(timedelta(hours=hour), percent) for hour, percent in zip(hours, percents, strict=True))
    grace = draw(st.timedeltas(timedelta(0), timedelta(days=2)))
    return Policy(
        due=DUE,
        grace=grace,
        percent_per_day=draw(PERCENT) if rule == "percent" else None,
        points_per_day=draw(POINTS) if rule == "points" else None,
        steps=steps if rule == "steps" else (),
        percent_of=draw(st.sampled_from(["score", "max"])),
        at_most=draw(st.none() | PERCENT),
        cutoff=draw(st.none() | st.just(DUE + grace + draw(st.timedeltas(timedelta(0), timedelta(days=9))))),
        attempts=draw(st.sampled_from(["last", "best", "first"])),
    )


def facts_at(late, raw=Decimal(60), **others):
    return Facts(raw=raw, max_score=Decimal(70), submitted_at=DUE + late, **others)


def final(policy, late, raw=Decimal(60)):
    return judge(policy, facts_at(late, raw)).final


@given(policies(), POINTS, LATENESS, LATENESS)
def test_later_never_scores_more(policy, raw, one, other):
    assert final(policy, max(one, other), raw) <= final(policy, min(one, other), raw)


@given(policies(), POINTS, LATENESS)
def test_the_raw_score_stays_and_the_final_one_is_between_it_and_zero(policy, raw, late):
    verdict = judge(policy, facts_at(late, raw))
    assert verdict.raw == raw
    assert 0 <= verdict.final <= raw


@given(policies(), POINTS, POINTS, LATENESS)
def test_more_points_never_score_less(policy, one, other, late):
    assert final(policy, late, min(one, other)) <= final(policy, late, max(one, other))


@given(policies(), POINTS, LATENESS, st.integers(-12 * 60, 14 * 60))
def test_the_zone_in_which_a_time_is_written_changes_nothing(policy, raw, late, minutes):
    here = facts_at(late, raw)
    there = replace(here, submitted_at=here.submitted_at.astimezone(timezone(timedelta(minutes=minutes))))
    assert judge(policy, there) == judge(policy, here)


@given(
    policies(),
    st.lists(
        st.builds(facts_at, LATENESS, POINTS, attempt=st.integers(1, 4))
        | st.builds(
            lambda raw, attempt: Facts(raw=raw, max_score=Decimal(70), attempt=attempt),
            POINTS,
            st.integers(1, 4),
        ),
        max_size=5,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_of_attempts_does_not_matter(policy, attempts, random):
    named = [(f"a{number}", facts) for number, facts in enumerate(attempts)]
    mixed = list(named)
    random.shuffle(mixed)
    assert chosen(policy, mixed) == chosen(policy, named)


@given(policies(), st.lists(st.builds(facts_at, LATENESS, POINTS, attempt=st.integers(1, 4)), min_size=1))
def test_no_attempt_is_worth_more_than_the_best(policy, attempts):
    policy = replace(policy, attempts="best")
    named = {f"a{number}": facts for number, facts in enumerate(attempts)}
    best = judge(policy, named[chosen(policy, named.items())]).final
    assert best == max(judge(policy, facts).final for facts in attempts)


@pytest.mark.parametrize(
    "rules, late, expected",
    [
        ({"percent_per_day": Decimal(10)}, timedelta(0), "60"),
        ({"percent_per_day": Decimal(10)}, timedelta(seconds=1), "54"),
        ({"percent_per_day": Decimal(10)}, DAY, "54"),
        ({"percent_per_day": Decimal(10)}, DAY + timedelta(microseconds=1), "48"),
        ({"percent_per_day": Decimal(10), "percent_of": "max"}, DAY, "53"),
        ({"percent_per_day": Decimal("0.1")}, DAY, "59.94"),
        ({"percent_per_day": Decimal(30)}, 9 * DAY, "0"),
        ({"percent_per_day": Decimal(30), "at_most": Decimal(50)}, 9 * DAY, "30"),
        ({"points_per_day": Decimal("2.5")}, 3 * DAY, "52.5"),
        ({"points_per_day": Decimal("2.5"), "at_most": Decimal(5)}, 3 * DAY, "55"),
        ({"points_per_day": Decimal(50)}, 3 * DAY, "0"),
        ({"percent_per_day": Decimal(10), "grace": timedelta(hours=1)}, timedelta(hours=1), "60"),
        ({"percent_per_day": Decimal(10), "grace": timedelta(hours=1)}, timedelta(hours=2), "54"),
        ({"cutoff": DUE + 2 * DAY}, 2 * DAY, "60"),
        ({"cutoff": DUE + 2 * DAY}, 2 * DAY + timedelta(seconds=1), "0"),
        ({"steps": (Step(timedelta(0), Decimal(5)), Step(DAY, Decimal(50)))}, timedelta(hours=3), "57"),
        ({"steps": (Step(timedelta(0), Decimal(5)), Step(DAY, Decimal(50)))}, DAY, "57"),
        ({"steps": (Step(timedelta(0), Decimal(5)), Step(DAY, Decimal(50)))}, 2 * DAY, "30"),
        ({}, 9 * DAY, "60"),
    ],
)
def test_lateness_costs_what_the_policy_says(rules, late, expected):
    assert final(Policy(due=DUE, **rules), late) == Decimal(expected)


def test_a_day_is_24_hours_also_where_the_clocks_change():
    policy = Policy(due=datetime(2026, 10, 24, 23, 0, tzinfo=BERLIN), percent_per_day=Decimal(10))
    same_clock = datetime(2026, 10, 25, 23, 0, tzinfo=BERLIN)  # 25 hours later: the clocks were put back
    facts = Facts(raw=Decimal(60), max_score=Decimal(70), submitted_at=same_clock)
    assert judge(policy, facts).final == 48
    assert judge(policy, replace(facts, submitted_at=same_clock - timedelta(hours=1))).final == 54


def test_without_a_due_date_of_its_own_a_policy_goes_by_each_entrys():
    policy = Policy(percent_per_day=Decimal(10))
    assert judge(policy, facts_at(DAY, due_at=DUE + DAY)).final == 60
    assert judge(policy, facts_at(DAY, due_at=DUE)).final == 54


def test_what_cannot_be_told_is_no_score():
    policy = Policy(due=DUE, percent_per_day=Decimal(10))
    unknown = Facts(raw=Decimal(60), max_score=Decimal(70))
    assert judge(policy, unknown).final is None
    assert judge(policy, replace(unknown, is_late=True)).final is None
    assert judge(policy, replace(unknown, is_late=False)).final == 60
    assert judge(Policy(percent_per_day=Decimal(10)), facts_at(DAY)).final is None
    assert judge(Policy(), unknown).final == 60


def test_an_attempt_that_cannot_be_judged_may_hide_the_best():
    policy = Policy(due=DUE, percent_per_day=Decimal(10), attempts="best")
    unknown = Facts(raw=Decimal(60), max_score=Decimal(70))
    assert chosen(policy, [("a", facts_at(-DAY, Decimal(50))), ("b", unknown)]) is None
    assert chosen(policy, [("a", facts_at(-DAY, Decimal(60))), ("b", unknown)]) == "a"


def test_the_last_is_the_latest_and_two_at_once_are_told_apart_by_nobody():
    named = [("a", facts_at(DAY, attempt=1)), ("b", facts_at(-DAY, attempt=2))]
    assert chosen(Policy(), named) == "a"
    assert chosen(Policy(attempts="first"), named) == "b"
    assert chosen(Policy(), [("a", facts_at(DAY)), ("b", facts_at(DAY))]) is None
    assert chosen(Policy(), []) is None


def test_a_time_without_a_zone_is_refused():
    naive = datetime(2026, 10, 1)  # noqa: DTZ001 -- that is the test
    with pytest.raises(UsageError, match="has no time zone"):
        Policy(due=naive)
    with pytest.raises(UsageError, match="has no time zone"):
        judge(Policy(due=DUE), Facts(raw=Decimal(1), max_score=Decimal(1), submitted_at=naive))
    with pytest.raises(UsageError, match="has no time zone"):
        judge(Policy(), Facts(raw=Decimal(1), max_score=Decimal(1), due_at=naive))


WHOLE = """
due = 2026-10-01T23:59:00
zone = "Europe/Berlin"
cutoff = 2026-10-08T23:59:00+02:00
grace_minutes = 15
percent_per_day = 0.1
percent_of = "max"
at_most = 50
attempts = "best"
"""


def test_a_policy_is_read_from_a_file_with_exact_numbers(tmp_path):
    path = tmp_path / "late.toml"
    path.write_text(WHOLE)
    policy = read_policy(path)
    assert policy == Policy(
        due=datetime(2026, 10, 1, 23, 59, tzinfo=BERLIN),
        cutoff=datetime(2026, 10, 8, 21, 59, tzinfo=UTC),
        grace=timedelta(minutes=15),
        percent_per_day=Decimal("0.1"),
        percent_of="max",
        at_most=Decimal(50),
        attempts="best",
    )
    assert policy_of({"steps": [{"hours": 0, "percent": 5}]}).steps == (Step(timedelta(0), Decimal(5)),)


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("due = 2026-10-01T23:59:00", "due has no time zone"),
        ("due = 2026-10-01", "due is a date and a time"),
        ('due = "2026-10-01T23:59:00Z"', "due is a date and a time without quotes"),
        ('due = 2026-03-29T02:30:00\nzone = "Europe/Berlin"', "was skipped by the clocks"),
        ('due = 2026-10-25T02:30:00\nzone = "Europe/Berlin"', "came twice in Europe/Berlin"),
        ('due = 2026-10-25T02:30:00\nzone = "Mars/Olympus"', "zone 'Mars/Olympus' is not known"),
        ('zone = "../../etc/passwd"', "is not known"),
        ("percent_per_day = 101", "at most 100"),
        ("percent_per_day = nan", "percent_per_day is a number"),
        ("points_per_day = 1e9999", "points_per_day is a number from 0 to"),
        ("percent_per_day = -1", "percent_per_day is a number from 0 to"),
        ('percent_per_day = "10"', "percent_per_day is a number"),
        ("percent_per_day = true", "percent_per_day is a number"),
        ("percent_per_day = 1\npoints_per_day = 1", "not several"),
        ("penalty = 1", "'penalty' is no part of a policy"),
        ('attempts = "any"', "attempts is one of last, best, first"),
        ("steps = 3", "steps is a list"),
        ("steps = [{ hours = 1 }]", "steps is a list"),
        ("steps = [{ hours = 1, percent = 9 }, { hours = 2, percent = 8 }]", "cannot cost less"),
        ("steps = [{ hours = 1, percent = 9 }, { hours = 1, percent = 9 }]", "go up"),
        ("steps = [{ hours = 1, percent = 900 }]", "from 0 to 100"),
        ("grace_minutes = 1e300", "grace_minutes is a number from 0 to"),
        ("due = 2026-10-02T00:00:00Z\ncutoff = 2026-10-01T00:00:00Z", "cutoff comes before the due date"),
        ("due = 9999-12-31T23:59:59-12:00\ncutoff = 9999-12-31T23:59:59-12:00", "outside of any calendar"),
        ("due = ", "cannot be read"),
    ],
)
def test_a_policy_that_is_none_is_one_sentence(text, sentence, tmp_path):
    path = tmp_path / "late.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=sentence) as told:
        read_policy(path)
    assert "\n" not in str(told.value)
    assert str(path) in str(told.value)


def test_a_policy_that_is_not_there_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="cannot be read: No such file"):
        read_policy(tmp_path / "none.toml")
