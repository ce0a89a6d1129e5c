"""The promises of Roony, each with the tests that prove it; checked both ways, so that none is left behind.

A promise without a test is only a hope, and a table that names tests which are gone is only a list.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

PROMISES: dict[str, tuple[str, list[str]]] = {
    "P1": (
        "no hold is placed beyond a limit",
        [
            "tests/core/test_decision.py::test_no_hold_is_placed_beyond_a_limit",
            "tests/flows/test_purchase.py::test_limits_of_every_scope_and_period",
            "tests/flows/test_purchase.py::test_two_asks_at_once_cannot_both_have_the_last_of_a_budget",
            "tests/flows/test_approval.py::test_the_rules_of_now_count",
            "tests/store/test_races.py::TestBudget::test_64_threads_share_500_and_exactly_5_get_100",
            "tests/store/test_races.py::TestBudget::test_random_amounts_never_pass_the_narrowest_limit",
            "tests/store/test_postgres.py::TestSeveralTills::test_two_tills_share_one_budget",
            "tests/journeys/test_at_once.py::test_64_asks_at_once_stay_inside_the_budget",
            "tests/random/test_machine.py::test_random_companies_keep_every_promise_in_memory",
            "tests/random/test_machine.py::test_random_companies_keep_every_promise_on_a_database",
            "tests/store/test_postgres.py::TestFactsInMemory::test_a_freeze_by_one_counts_in_the_other_at_once",
            "tests/store/test_process_races.py::TestFourProcesses::test_64_asks_share_a_budget_for_5",
            "tests/store/test_process_races.py::test_either_may_win_and_the_books_agree",
            (
                "tests/store/test_readonly_and_clock.py::TestClockJumpsBack::"
                "test_money_does_not_fall_into_a_period_that_was_over"
            ),
        ],
    ),
    "P2": (
        "one purchase, one card, whatever is retried or crashes",
        [
            "tests/flows/test_purchase.py::test_one_key_asked_twice_at_once_makes_one_purchase",
            "tests/flows/test_card.py::test_a_second_card_for_the_same_promise_is_not_recorded_over_the_first",
            "tests/flows/test_card.py::test_life",
            "tests/flows/test_retrieval.py::TestUnknownCard::test_a_capture_alone_on_a_card_given_up_is_booked",
            "tests/store/test_races.py::TestSameKey::test_20_threads_with_one_key_make_one_purchase",
            (
                "tests/gateway/test_with_simulator.py::TestOneCardPerPurchase::"
                "test_a_slow_answer_is_uncertain_and_the_same_key_makes_no_second_card"
            ),
            "tests/journeys/test_at_once.py::test_one_ask_sent_20_times_at_once_is_one_purchase",
            "tests/journeys/test_crash.py::test_a_crash_neither_loses_nor_doubles",
            "tests/journeys/test_restart.py::test_an_end_in_the_middle_of_asks_loses_and_doubles_nothing",
            "tests/random/test_machine.py::test_random_companies_keep_every_promise_on_a_database",
            "tests/random/test_whole_processes.py::test_killed_and_lied_to_the_books_are_stripes",
            "tests/flows/test_reconciliation_findings.py::TestOrphans::test_a_second_card_for_a_purchase_is_canceled",
            "tests/store/test_process_races.py::TestFourProcesses::test_one_key_is_one_purchase",
            "tests/store/test_process_races.py::TestFourProcesses::test_one_promise_is_kept_by_one_worker",
            "tests/chaos/test_crashes.py::test_killed_where_money_hangs_on_it",
            "tests/chaos/test_crashes.py::test_killed_at_every_point",
        ],
    ),
    "P3": (
        "every Stripe event counts once, in any order",
        [
            "tests/flows/test_any_order.py::test_every_order_of_what_stripe_says_ends_in_the_same_books",
            "tests/flows/test_any_order.py::test_statements_between_the_steps_and_twice",
            "tests/flows/test_any_order.py::test_random_histories_end_in_the_same_books",
            "tests/flows/test_settlement.py::test_an_event_told_twice_is_counted_once",
            "tests/flows/test_any_order.py::test_what_is_found",
            "tests/flows/test_refund.py::test_where_refunds_end_in_any_order",
            "tests/flows/test_dispute.py::test_any_order_ends_alike",
            "tests/core/test_finding.py::test_ends_are_remembered_in_any_order",
            "tests/flows/test_inbox.py::test_live_and_test_events_of_one_account_never_mix",
            "tests/core/test_settlement.py::test_which_statement_says_more",
            "tests/store/test_claims.py::TestKeeping::test_twenty_deliveries_at_once_keep_one_row",
            "tests/journeys/test_payment.py::test_events_in_any_order_and_number_end_in_the_same_books",
            "tests/journeys/test_at_once.py::test_one_event_posted_20_times_at_once_books_once",
            "tests/journeys/test_network_variants.py::test_live_and_test_events_of_one_account_never_mix",
            "tests/random/test_machine.py::test_random_companies_keep_every_promise_in_memory",
            "tests/random/test_machine.py::test_random_companies_keep_every_promise_on_a_database",
            "tests/random/test_whole_processes.py::test_killed_and_lied_to_the_books_are_stripes",
            "tests/flows/test_reconciliation.py::test_what_was_lost_is_booked_and_nothing_differs",
            "tests/journeys/test_reconcile.py::test_a_fifth_lost_doubled_and_shuffled_ends_in_the_same_books",
            "tests/journeys/test_reconcile.py::test_a_crash_in_the_middle_of_a_run_loses_nothing",
            "tests/store/test_process_races.py::TestFourProcesses::test_one_event_is_kept_by_one",
            "tests/store/test_process_races.py::TestFourProcesses::test_one_capture_is_booked_by_one",
            "tests/chaos/test_crashes.py::test_killed_where_money_hangs_on_it",
        ],
    ),
    "P4": (
        "an approval is sent only after its hold is durable",
        [
            "tests/flows/test_authorization.py::test_an_approval_and_its_hold_are_one_commit",
            "tests/store/test_till.py::TestBatch::test_answers_come_only_after_the_commit",
            "tests/store/test_crash.py::test_everything_or_nothing",
            "tests/random/test_machine.py::test_random_companies_keep_every_promise_on_a_database",
            "tests/chaos/test_database_faults.py::test_a_torn_end_of_the_log_is_dropped",
            "tests/chaos/test_database_faults.py::test_a_log_cut_short_loses_whole_commits_only",
        ],
    ),
    "P5": (
        "no answer later than the deadline is an approval, and the book knows it",
        [
            "tests/flows/test_authorization.py::test_a_caller_that_gave_up_takes_its_approval_back",
            "tests/flows/test_authorization.py::test_a_withdrawn_yes_is_remembered_as_no",
            "tests/store/test_till_callers.py::TestDeadline::test_a_command_too_close_to_its_deadline_is_not_applied",
            (
                "tests/store/test_till_callers.py::TestGivingUp::"
                "test_giving_up_in_a_race_with_the_answer_always_agrees_with_the_book"
            ),
            "tests/store/test_races.py::TestSameAuthorization::test_callers_that_leave_at_random_leave_books_that_agree",
            (
                "tests/store/test_postgres.py::TestBrokenConnection::"
                "test_an_approval_committed_as_the_connection_broke_is_withdrawn"
            ),
            "tests/random/test_machine.py::test_random_companies_keep_every_promise_on_a_database",
            "tests/store/test_database_away.py::test_a_withdrawal_is_made_when_it_is_back",
            "tests/chaos/test_database_faults.py::test_nothing_is_given_and_nothing_half_written",
        ],
    ),
    "P6": (
        "no card number, CVC, token or key at rest in clear or in any log",
        [
            "tests/journeys/test_leaks.py::test_fifty_purchases_leave_no_secret_behind",
            "tests/journeys/test_card_delivery.py::test_a_sealed_card_is_opened_on_the_agents_machine_alone",
            "tests/web/test_delivery.py::TestReveal::test_the_card_is_shown_once",
            "tests/journeys/test_connect.py::TestSuccess::test_tokens_lie_sealed_in_the_database",
            "tests/journeys/test_app_life.py::test_bought_paid_renewed_and_uninstalled",
            "tests/flows/test_connection.py::TestActivation::test_tokens_are_sealed_for_their_row",
            "tests/store/test_vault.py::TestTampering::test_the_refusal_quotes_nothing",
            "tests/gateway/test_client.py::TestNothingFromTheSurroundings::test_the_sdk_logs_no_bodies",
            "tests/gateway/test_errors.py::TestNothingSecretLeaves::test_a_message_is_cleaned",
            "tests/gateway/test_issuing.py::TestCardDetails::test_they_are_not_shown",
            "tests/web/test_keys.py::test_keys_are_kept_as_hashes_only",
        ],
    ),
    "P7": (
        "an agent cannot approve, read another tenant or another agent, or loosen its own rules",
        [
            "tests/web/test_keys.py::test_every_route_wants_its_own_kind_of_key",
            "tests/web/test_keys.py::test_an_agent_sees_only_its_own",
            "tests/web/test_keys.py::test_a_company_sees_only_its_own",
            "tests/web/test_delivery.py::TestRegistering::test_never_by_an_agent",
            "tests/flows/test_delivery.py::test_a_control_can_only_be_stricter",
            "tests/flows/test_card.py::test_an_agent_cancels_only_its_own",
            "tests/flows/test_authorization.py::test_a_card_of_another_connection_is_unknown",
            "tests/flows/test_merchant.py::test_the_id_an_agent_names_is_one_condition_more",
            "tests/web/test_settling_by_hand.py::test_nobody_settles_for_another_company",
            "tests/journeys/test_bad_asks.py::test_an_owners_key_cannot_ask_and_an_agents_cannot_rule",
        ],
    ),
    "P8": (
        "held and spent are the sum of entries, and open money is held at every step",
        [
            "tests/core/test_ledger.py::test_whatever_is_known_open_money_is_held",
            "tests/core/test_ledger.py::test_held_and_spent",
            "tests/flows/test_settlement.py::test_life",
            "tests/flows/test_refund.py::test_a_person_assigns_a_queued_refund_and_that_stays",
            "tests/flows/test_any_order.py::test_random_histories_end_in_the_same_books",
            "tests/flows/test_purchase.py::test_a_hold_stays_in_its_month",
            "tests/journeys/test_network_variants.py::test_variant",
            "tests/random/test_machine.py::test_random_companies_keep_every_promise_in_memory",
            "tests/random/test_machine.py::test_random_companies_keep_every_promise_on_a_database",
            "tests/random/test_whole_processes.py::test_killed_and_lied_to_the_books_are_stripes",
            "tests/chaos/test_crashes.py::test_killed_where_money_hangs_on_it",
            "tests/store/test_process_races.py::test_either_may_win_and_the_books_agree",
        ],
    ),
    "P9": (
        "every change has an audit record and the chain verifies offline",
        [
            "tests/core/test_audit.py::test_what_breaks_it_is_named",
            "tests/store/test_audit_chain.py::TestChaining::test_random_batches_leave_true_chains",
            "tests/store/test_audit_chain.py::TestTampering::test_it_is_seen",
            "tests/web/test_admin_api.py::test_the_audit_chain_is_taken_away_whole_and_verifies",
            "tests/cli/test_audit.py::test_every_change_is_found",
            "tests/core/test_audit_file.py::test_every_tampering_is_found",
            "tests/flows/test_checkpoint.py::test_what_is_broken_is_not_signed_and_the_owner_is_told_once",
            "tests/flows/test_checkpoint.py::TestTheKey::test_a_stolen_database_alone_signs_nothing",
            "tests/flows/test_evidence.py::test_every_change_of_a_record_a_proof_or_a_checkpoint_is_found",
            "tests/random/test_machine.py::test_random_companies_keep_every_promise_on_a_database",
            "tests/random/test_whole_processes.py::test_killed_and_lied_to_the_books_are_stripes",
            "tests/store/test_last_release.py::TestLastRelease::test_its_purchases_are_paid_and_its_chains_go_on",
            "tests/chaos/test_crashes.py::test_killed_where_money_hangs_on_it",
        ],
    ),
    "P10": (
        "a refusal leaves no trace but its record",
        [
            "tests/flows/test_purchase.py::test_a_declined_ask_leaves_its_record_and_nothing_else",
            "tests/flows/test_purchase.py::test_the_same_wish_again_is_refused_and_leaves_only_its_record",
            "tests/flows/test_approval.py::test_a_refused_decision_leaves_no_trace",
            "tests/flows/test_authorization.py::test_a_decline_holds_nothing_and_is_recorded",
            "tests/web/test_requests.py::test_a_refused_ask_leaves_no_row_and_no_record",
            "tests/random/test_machine.py::test_random_companies_keep_every_promise_in_memory",
            "tests/random/test_machine.py::test_random_companies_keep_every_promise_on_a_database",
            "tests/chaos/test_database_faults.py::test_nothing_is_given_and_nothing_half_written",
            "tests/store/test_readonly_and_clock.py::test_what_cannot_be_written_is_refused",
        ],
    ),
    "P11": (
        "when unsure, decline",
        [
            "tests/core/test_authorization.py::test_each_check_has_its_code",
            "tests/flows/test_authorization.py::test_codes",
            "tests/flows/test_inbox.py::test_a_request_that_comes_late_is_never_decided",
            "tests/journeys/test_authorization_requests.py::test_a_request_that_cannot_be_placed_is_declined",
            "tests/journeys/test_authorization_requests.py::test_a_request_that_is_no_event_is_declined",
            "tests/core/test_authorization.py::test_merchants_by_name_alias_and_network_id",
            "tests/core/test_merchant.py::test_descriptors_of_another_merchant",
            "tests/random/test_machine.py::test_random_companies_keep_every_promise_in_memory",
            "tests/flows/test_reconciliation.py::TestGap::test_nothing_is_approved_before_it_has_caught_up",
            "tests/store/test_postgres.py::TestFactsInMemory::test_a_freeze_by_one_counts_in_the_other_at_once",
            "tests/store/test_database_away.py::test_everything_is_refused_at_once_until_it_is_back",
            "tests/journeys/test_several_processes.py::test_an_outage_refuses_at_once_and_ends_by_itself",
            "tests/chaos/test_database_faults.py::test_nothing_is_given_and_nothing_half_written",
            "tests/store/test_process_races.py::TestFourProcesses::test_nothing_is_approved_after_a_freeze",
        ],
    ),
    "P12": (
        "nothing that Stripe reported is dropped: applied, ignored with a reason, or visible as failed",
        [
            "tests/core/test_settlement.py::test_a_statement_without_what_is_needed_raises",
            "tests/flows/test_settlement.py::test_a_card_nobody_knows_waits_a_minute_and_is_flagged_once",
            "tests/flows/test_retrieval.py::TestUnknownCard::test_one_of_nobody_is_flagged_once_and_booked_when_known",
            "tests/flows/test_retrieval.py::TestAuthorization::test_closed_with_no_capture_told_is_asked_for_once",
            "tests/flows/test_inbox.py::test_unknown_words_do_not_stop_a_statement",
            "tests/flows/test_card.py::test_a_card_of_somebody_else_is_ignored_with_a_reason",
            "tests/store/test_claims.py::TestEvents::test_failures_put_it_off_and_in_the_end_it_is_dead",
            "tests/journeys/test_webhook_door.py::test_an_event_of_nobodys_account_is_kept_as_ignored",
            "tests/web/test_admin_api.py::test_a_failed_event_is_handled_again",
            "tests/journeys/test_discrepancies.py::test_a_finding_is_listed_and_resolved_with_a_note",
            "tests/journeys/test_failed_events.py::test_a_failed_event_dies_and_is_taken_up_again_one_or_all",
            "tests/flows/test_merchant.py::test_what_a_person_resolved_is_not_opened_again_by_the_next_request",
            "tests/random/test_machine.py::test_random_companies_keep_every_promise_on_a_database",
            "tests/random/test_whole_processes.py::test_killed_and_lied_to_the_books_are_stripes",
            "tests/flows/test_reconciliation_findings.py::TestDifferences::test_missing_here_is_closed_when_it_is_found",
            (
                "tests/journeys/test_reconcile.py::TestLostHour::"
                "test_the_command_brings_it_back_and_ends_with_no_difference"
            ),
            "tests/journeys/test_webhook_door.py::test_text_that_no_database_holds_spoils_nothing",
            "tests/chaos/test_crashes.py::test_killed_where_money_hangs_on_it",
            "tests/chaos/test_crashes.py::test_killed_at_every_point",
        ],
    ),
}

NAMED = [(promise, name) for promise, (_, names) in PROMISES.items() for name in names]


def names_in(path: Path) -> set[str]:
    """The names of all tests of a file, with their class."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        prefix = f"{node.name}::" if isinstance(node, ast.ClassDef) else ""
        for item in inside:
            if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and item.name.startswith("test_"):
                found.add(prefix + item.name)
    return found


@pytest.mark.parametrize(("promise", "name"), NAMED, ids=[f"{promise}, {name}" for promise, name in NAMED])
def test_every_named_test_is_there(promise: str, name: str) -> None:
    file, _, test = name.partition("::")
    assert (ROOT / file).is_file(), file
    assert test in names_in(ROOT / file)


def test_every_promise_has_tests() -> None:
    assert list(PROMISES) == [f"P{number}" for number in range(1, 13)]
    assert all(sentence and len(set(names)) == len(names) >= 2 for sentence, names in PROMISES.values())


def test_the_document_shows_this_list() -> None:
    """docs/reliability.md has the table as it is here; `make promises WRITE=1` writes it."""
    from tests.promises import DOCUMENT, written

    assert DOCUMENT.read_text(encoding="utf-8") == written(), "run `make promises WRITE=1`"


def test_who_claims_to_prove_a_promise_names_one_that_there_is() -> None:
    """Tests say "P8" in their docstrings: no number that nobody promised, and each number claimed by some test."""
    claimed: set[str] = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        if path != Path(__file__).resolve():
            claimed |= set(re.findall(r"\bP(?:[1-9]\d?)\b(?=[:.,) ])", path.read_text(encoding="utf-8")))
    assert claimed <= PROMISES.keys()
