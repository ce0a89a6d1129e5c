"""Stripe's published limits are kept before a call is sent, shared between processes, and halved on a 429."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from roony.gateway import pace as pacing
from roony.gateway.client import ConnectionAccess, StripeGateway
from roony.gateway.errors import StripeRateLimited
from roony.gateway.issuing import retrieve_card
from roony.gateway.pace import LIVE_RATE, TEST_RATE, Pace, account_of, operation_of
from roony.gateway.pool import THREADS, GatewayBusy
from tests.gateway.loopback import Answer, LoopbackStripe

GET, LIST = "GET /v1/issuing/cards/{id}", "GET /v1/issuing/cards"


class Time:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept = 0.0
        self._lock = threading.Lock()

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds
            self.slept += seconds


@pytest.fixture
def time() -> Time:
    return Time()


def paced(time: Time, account: float = 10.0, operation: float = 5.0) -> Pace:
    return Pace(account, operation, clock=time, sleep=time.sleep)


def turns(pace: Pace, number: int, account: str = "acct_1", operation: str = GET) -> None:
    for _ in range(number):
        pace.take_turn(account, operation)


class TestRates:
    def test_an_operation_waits_for_its_turn(self, time: Time) -> None:
        pace = paced(time)
        turns(pace, 5)
        assert time.slept == 0
        turns(pace, 10)
        assert time.slept == pytest.approx(2.0)
        assert pace.counts() == (10, 0, 0)

    def test_an_account_waits_over_all_its_operations(self, time: Time) -> None:
        pace = paced(time)
        for number in range(10):
            pace.take_turn("acct_1", f"GET /v1/{number}")
        assert time.slept == 0
        pace.take_turn("acct_1", "GET /v1/one/more")
        assert time.slept == pytest.approx(0.1)

    def test_accounts_do_not_wait_for_each_other(self, time: Time) -> None:
        pace = paced(time)
        turns(pace, 5, "acct_1")
        turns(pace, 5, "acct_2")
        assert time.slept == 0

    def test_processes_share_them(self, time: Time) -> None:
        pace = paced(time)
        pace.share_with(5)
        turns(pace, 1)
        assert time.slept == 0
        turns(pace, 1)
        assert time.slept == pytest.approx(1.0)

    def test_whose_turn_does_not_come_is_not_sent(self) -> None:
        """A bounded wait: nobody stands in a line that does not end."""
        time = Time()
        pace = Pace(1.0, 1.0, clock=time, sleep=lambda _seconds: None)
        turns(pace, 3)
        with pytest.raises(GatewayBusy, match="rate limit"):
            turns(pace, 1)
        assert pace.counts() == (2, 1, 0)

    def test_threads_together_keep_the_rate(self, time: Time) -> None:
        pace = Pace(40.0, 40.0, clock=time, sleep=lambda _seconds: None)
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: pace.take_turn("acct_1", GET), range(100)))
        assert pace.counts().waited == 60

    def test_calls_that_wait_leave_threads_to_the_others(self) -> None:
        """All accounts share the pool: a busy one takes half of its threads at most."""
        asleep, wake = threading.Semaphore(0), threading.Event()

        def sleep(_seconds: float) -> None:
            asleep.release()
            assert wake.wait(60)

        pace = Pace(10.0, 10.0, clock=lambda: 100.0, sleep=sleep)
        turns(pace, 10)
        with ThreadPoolExecutor(THREADS) as threads:
            busy = [threads.submit(pace.take_turn, "acct_1", GET) for _ in range(THREADS)]
            try:
                for _ in range(pacing.MAX_WAITING):
                    assert asleep.acquire(timeout=60)
                assert threads.submit(pace.take_turn, "acct_2", GET).result(60) is None
            finally:
                wake.set()
        turned_away = [isinstance(call.exception(), GatewayBusy) for call in busy]
        assert turned_away.count(True) == THREADS - pacing.MAX_WAITING
        assert pace.counts() == (pacing.MAX_WAITING, THREADS - pacing.MAX_WAITING, 0)
        # Whoever is done waiting makes room.
        turns(pace, 1)


class TestSlower:
    def test_a_429_halves_what_it_was_about_and_it_comes_back_slowly(self, time: Time) -> None:
        pace = paced(time)
        pace.slow_down("acct_1", GET, "endpoint-rate")
        turns(pace, 2)
        assert time.slept == pytest.approx(2 / 2.5, rel=0.02)
        time.now += pacing.REGAIN_SECONDS
        before = time.slept
        turns(pace, 5)
        assert time.slept == before
        assert pace.counts().slowed == 1

    def test_another_operation_goes_on(self, time: Time) -> None:
        pace = paced(time)
        pace.slow_down("acct_1", GET, "endpoint-concurrency")
        turns(pace, 5, operation=LIST)
        assert time.slept == 0

    def test_one_about_the_account_slows_all_of_it(self, time: Time) -> None:
        pace = paced(time)
        pace.slow_down("acct_1", GET, "global-rate")
        turns(pace, 1, operation=LIST)
        assert time.slept == pytest.approx(0.2)
        assert pace.counts().waited == 1

    def test_never_to_a_stop(self, time: Time) -> None:
        pace = paced(time)
        for _ in range(50):
            pace.slow_down("acct_1", GET, "endpoint-rate")
        turns(pace, 1)
        assert time.slept <= 1 / pacing.LOWEST_RATE


def test_buckets_are_bounded(time: Time, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pacing, "MAX_BUCKETS", 10)
    pace = paced(time)
    for number in range(100):
        pace.take_turn(f"acct_{number}", GET)
    assert len(pace._buckets) == 10


@pytest.mark.parametrize(
    ("url", "operation"),
    [
        ("https://api.stripe.com/v1/issuing/cards/ic_1TestAbcdef?expand[0]=number", "GET /v1/issuing/cards/{id}"),
        ("https://api.stripe.com/v1/issuing/cards?limit=100", "GET /v1/issuing/cards"),
        ("https://api.stripe.com/v1/webhook_endpoints/we_1Abcdefgh", "GET /v1/webhook_endpoints/{id}"),
        (
            "https://api.stripe.com/v1/test_helpers/issuing/authorizations",
            "GET /v1/test_helpers/issuing/authorizations",
        ),
    ],
)
def test_an_operation_is_method_and_path_without_ids(url: str, operation: str) -> None:
    assert operation_of("get", url) == operation


def test_an_account_is_the_one_acted_for_and_no_key_is_kept() -> None:
    assert account_of({"Stripe-Account": "acct_1", "Authorization": "Bearer sk_test_secret"}) == "acct_1"
    own, other = account_of({"Authorization": "Bearer sk_test_secret"}), account_of({"Authorization": "Bearer x"})
    assert own != other
    assert "secret" not in own


class TestOnTheWire:
    def test_only_stripes_own_hosts_are_paced(self) -> None:
        for key, rate in (("sk_live_x", LIVE_RATE), ("sk_test_x", TEST_RATE)):
            gateway = StripeGateway(secret_key=key)
            assert gateway.pace is not None
            assert gateway.pace._account_rate == rate
            gateway.close()
        here = StripeGateway(secret_key="sk_test_x", api_base="http://127.0.0.1:9", connect_base="http://127.0.0.1:9")
        assert here.pace is None
        here.close()

    def test_a_call_without_a_turn_is_not_sent(self, wire: LoopbackStripe, access: ConnectionAccess) -> None:
        """And is no uncertain call: GatewayBusy says that nothing was sent."""
        time = Time()
        pace = Pace(1.0, 1.0, clock=time, sleep=lambda _seconds: None)
        gateway = StripeGateway(secret_key="sk_test_x", api_base=wire.url, connect_base=wire.url, pace=pace)
        wire.script(Answer({"id": "ic_1", "object": "issuing.card"}))
        for _ in range(3):
            retrieve_card(gateway, access, "ic_1")
        with pytest.raises(GatewayBusy):
            retrieve_card(gateway, access, "ic_1")
        assert len(wire.received) == 3
        gateway.close()

    @pytest.mark.parametrize(
        ("headers", "slowed"),
        [({"Stripe-Rate-Limited-Reason": "endpoint-rate"}, 1), ({}, 0)],
    )
    def test_a_rate_limit_slows_and_a_lock_does_not(
        self, wire: LoopbackStripe, access: ConnectionAccess, time: Time, headers: dict[str, str], slowed: int
    ) -> None:
        pace = paced(time)
        gateway = StripeGateway(secret_key="sk_test_x", api_base=wire.url, connect_base=wire.url, pace=pace)
        code = "rate_limit" if headers else "lock_timeout"
        wire.script(Answer({"error": {"type": "invalid_request_error", "code": code, "message": "x"}}, 429, headers))
        with pytest.raises(StripeRateLimited):
            retrieve_card(gateway, access, "ic_1")
        assert pace.counts().slowed == slowed
        gateway.close()
