"""What Stripe says afterwards, told as life cycles: held, spent and both states after every step (design section 8)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.books import Books, open_books
from tests.support.story import Story, neat

READY = """
ask 10000                                       | 10000     0 issuing    creating
card                                            | 10000     0 ready      active
"""

LIVES = {
    "captured in full": """
request A 10000 -> yes                          | 10000     0 authorized used
says A pending 10000 yes                        | 10000     0 authorized used
capture A t1 10000                              |     0 10000 authorized used
says A closed 10000 yes with t1:10000           |     0 10000 settled    used
""",
    "captured in part, and the rest given back": """
request A 10000 -> yes                          | 10000     0 authorized used
says A pending 10000 yes                        | 10000     0 authorized used
says A closed 10000 yes with t1:6000            |     0  6000 settled    used
capture A t1 6000                               |     0  6000 settled    used
""",
    "captured in two parts": """
request A 10000 -> yes                          | 10000     0 authorized used
says A pending 10000 yes with t1:4000           |  6000  4000 authorized used
capture A t1 4000                               |  6000  4000 authorized used
capture A t2 5000                               |  1000  9000 authorized used
says A closed 10000 yes with t1:4000,t2:5000    |     0  9000 settled    used
""",
    "captured for more than authorized": """
request A 10000 -> yes                          | 10000     0 authorized used
capture A t1 12000                              |     0 12000 authorized used
says A closed 10000 yes with t1:12000           |     0 12000 settled    used
""",
    "captured without any authorization": """
capture - t1 3000                               |  7000  3000 settled    active
request A 8000 -> OVER_HOLD                     |  7000  3000 settled    active
request B 7000 -> yes                           |  7000  3000 authorized used
""",
    "refunded in parts and too much": """
request A 10000 -> yes                          | 10000     0 authorized used
says A closed 10000 yes with t1:10000           |     0 10000 settled    used
refund r1 4000                                  |     0  6000 settled    used
refund r1 4000                                  |     0  6000 settled    used
refund r2 6000                                  |     0     0 settled    used
refund r3 500                                   |     0     0 settled    used
""",
    "refunded before the capture is known": """
request A 10000 -> yes                          | 10000     0 authorized used
refund r1 4000                                  | 10000     0 authorized used
says A closed 10000 yes with t1:10000           |     0  6000 settled    used
""",
    "reversed in full": """
request A 10000 -> yes                          | 10000     0 authorized used
says A reversed 0 yes                           |     0     0 canceled   used
""",
    "reversed in part": """
request A 10000 -> yes                          | 10000     0 authorized used
says A pending 10000 yes                        | 10000     0 authorized used
says A pending 2000 yes                         | 10000     0 authorized used
says A closed 2000 yes with t1:2000             |     0  2000 settled    used
""",
    "expired and captured late": """
request A 10000 -> yes                          | 10000     0 authorized used
says A pending 10000 yes                        | 10000     0 authorized used
says A expired 10000 yes                        |     0     0 canceled   used
capture A t1 10000                              |     0 10000 settled    used
says A closed 10000 yes with t1:10000           |     0 10000 settled    used
""",
    "raised once, then refused": """
request A 6000 -> yes                           | 10000     0 authorized used
says A pending 6000 yes                         | 10000     0 authorized used
request A 4000 on 6000 #1 -> yes                | 10000     0 authorized used
says A pending 10000 yes,yes                    | 10000     0 authorized used
request A 1 on 10000 #2 -> OVER_HOLD            | 10000     0 authorized used
says A pending 10000 yes,yes,no                 | 10000     0 authorized used
says A closed 10000 yes,yes,no with t1:10000    |     0 10000 settled    used
""",
    "approved in part when the amount can be chosen": """
request A 12000 +controllable cash 10001 -> OVER_HOLD | 10000     0 ready      active
request B 12000 +controllable cash 10000 -> yes 10000 | 10000     0 authorized used
says B pending 10000 yes                        | 10000     0 authorized used
""",
    "a check of nothing, then the purchase": """
request A 0 -> yes                              | 10000     0 ready      active
says A closed 0 yes                             | 10000     0 ready      active
request B 10000 -> yes                          | 10000     0 authorized used
says B closed 10000 yes with t1:9000            |     0  9000 settled    used
""",
    "a check of 1.00, reversed, then the purchase": """
request A 100 -> yes                            | 10000     0 ready      active
request B 10000 -> OVER_HOLD                    | 10000     0 ready      active
says A reversed 0 yes                           | 10000     0 ready      active
request C 10000 -> yes                          | 10000     0 authorized used
""",
    "a check that is captured uses the card": """
request A 100 -> yes                            | 10000     0 ready      active
says A closed 100 yes with t1:100               |     0   100 settled    used
request B 5000 -> CARD_USED                     |     0   100 settled    used
""",
    "a fuel pump's check that grew at Stripe": """
request A 100 -> yes                            | 10000     0 ready      active
says A pending 10000 yes:100                    | 10000     0 authorized used
""",
    "a check raised behind our back, then reversed": """
request A 100 -> yes                            | 10000     0 ready      active
says A reversed 0 yes:100,active:4000           |     0     0 canceled   used
""",
    "Stripe cancels a single-use card, then tells the authorization": """
request A 10000 -> yes                          | 10000     0 authorized used
stripe canceled                                 | 10000     0 authorized used
says A pending 10000 yes                        | 10000     0 authorized used
says A closed 10000 yes with t1:10000           |     0 10000 settled    used
""",
    "Stripe tells the authorization, then cancels the card": """
request A 10000 -> yes                          | 10000     0 authorized used
says A pending 10000 yes                        | 10000     0 authorized used
stripe canceled                                 | 10000     0 authorized used
""",
    "Stripe cancels a card of which we know no authorization yet": """
stripe canceled                                 | 10000     0 ready      active
request B 5000 -> CARD_NOT_ACTIVE               | 10000     0 ready      active
says A pending 10000 active                     | 10000     0 authorized used
""",
    "our yes came too late and Stripe said no": """
request A 10000 -> yes                          | 10000     0 authorized used
says A closed 10000 timeout                     | 10000     0 ready      active
request B 10000 -> yes                          | 10000     0 authorized used
""",
    "our yes is withdrawn, and Stripe had said no": """
request A 10000 -> yes                          | 10000     0 authorized used
withdraw A 10000                                | 10000     0 ready      active
request A 10000 -> LATE                         | 10000     0 ready      active
says A closed 10000 timeout                     | 10000     0 ready      active
""",
    "our yes is withdrawn, but Stripe approved by itself": """
request A 10000 -> yes                          | 10000     0 authorized used
withdraw A 10000                                | 10000     0 ready      active
says A pending 10000 late                       | 10000     0 authorized used
""",
    "withdrawn after Stripe said yes changes nothing": """
request A 10000 -> yes                          | 10000     0 authorized used
says A pending 10000 late                       | 10000     0 authorized used
withdraw A 10000                                | 10000     0 authorized used
""",
    "a raise is withdrawn": """
request A 6000 -> yes                           | 10000     0 authorized used
says A pending 6000 yes                         | 10000     0 authorized used
request A 4000 on 6000 #1 -> yes                | 10000     0 authorized used
withdraw A 4000 #1                              | 10000     0 authorized used
request A 3000 on 6000 #2 -> yes                | 10000     0 authorized used
""",
    "canceled at Stripe, then our yes is not honoured": """
request A 10000 -> yes                          | 10000     0 authorized used
stripe canceled                                 | 10000     0 authorized used
says A closed 10000 timeout                     | 10000     0 ready      active
expire                                          |     0     0 expired    expired
""",
    "our yes is not honoured, then canceled at Stripe": """
request A 10000 -> yes                          | 10000     0 authorized used
says A closed 10000 timeout                     | 10000     0 ready      active
stripe canceled                                 | 10000     0 ready      active
expire                                          |     0     0 expired    expired
""",
    "approved without Roony": """
says A pending 9000 active                      | 10000     0 authorized used
says A closed 9000 active with t1:9000          |     0  9000 settled    used
""",
    "approved without Roony beyond the hold": """
says A pending 15000 active                     | 15000     0 authorized used
says A closed 15000 active with t1:15000        |     0 15000 settled    used
""",
    "Stripe declines by itself": """
says A closed 10000 controls                    | 10000     0 ready      active
request B 10000 -> yes                          | 10000     0 authorized used
""",
    "the capture comes before any statement": """
capture A t1 10000                              |     0 10000 settled    active
says A closed 10000 active with t1:10000        |     0 10000 settled    used
""",
    "closed, and its capture comes later": """
request A 10000 -> yes                          | 10000     0 authorized used
says A closed 10000 yes                         | 10000     0 authorized used
capture A t1 8000                               |     0  8000 settled    used
""",
    "canceled with a check open": """
request A 100 -> yes                            | 10000     0 ready      active
cancel                                          | 10000     0 canceled   canceled
says A closed 100 yes with t1:100               |     0   100 settled    canceled
""",
    "canceled with the purchase open": """
request A 10000 -> yes                          | 10000     0 authorized used
cancel -> not_cancelable                        | 10000     0 authorized used
""",
    "past its time with an authorization open": """
request A 10000 -> yes                          | 10000     0 authorized used
expire                                          | 10000     0 authorized used
says A closed 10000 yes with t1:10000           |     0 10000 settled    used
""",
    "past its time with a check open": """
request A 100 -> yes                            | 10000     0 ready      active
expire                                          | 10000     0 expired    expired
says A reversed 0 yes                           |     0     0 expired    expired
""",
    "frozen with an authorization open": """
request A 10000 -> yes                          | 10000     0 authorized used
freeze                                          | 10000     0 authorized used
says A pending 10000 yes                        | 10000     0 authorized used
request A 1 on 10000 #1 -> FROZEN               | 10000     0 authorized used
unfreeze                                        | 10000     0 authorized used
says A closed 10000 yes,no with t1:10000        |     0 10000 settled    used
""",
    "frozen before Stripe tells what it approved by itself": """
freeze                                          | 10000     0 ready      frozen
says A closed 10000 active with t1:9000         |     0  9000 settled    used
unfreeze                                        |     0  9000 settled    used
""",
    "expired here, approved by Stripe all the same": """
expire                                          |     0     0 expired    expired
says A pending 10000 active                     | 10000     0 authorized expired
says A closed 10000 active with t1:10000        |     0 10000 settled    expired
""",
    "reversed, then captured all the same": """
request A 10000 -> yes                          | 10000     0 authorized used
says A reversed 0 yes                           |     0     0 canceled   used
capture A t1 500                                |     0   500 settled    used
""",
}

FLAGS = {
    "captured for more than authorized": ["over_capture"],
    "captured without any authorization": ["force_capture"],
    "refunded in parts and too much": ["unmatched_refund"],
    "refunded before the capture is known": ["unmatched_refund"],
    "expired and captured late": ["late_capture"],
    "a fuel pump's check that grew at Stripe": [],
    "a check raised behind our back, then reversed": ["approved_without_roony"],
    "Stripe cancels a card of which we know no authorization yet": ["approved_without_roony"],
    "our yes came too late and Stripe said no": ["answer_not_honoured"],
    "our yes is withdrawn, but Stripe approved by itself": ["answer_not_honoured"],
    "canceled at Stripe, then our yes is not honoured": ["answer_not_honoured"],
    "our yes is not honoured, then canceled at Stripe": ["answer_not_honoured"],
    "approved without Roony": ["approved_without_roony"],
    "approved without Roony beyond the hold": ["approved_without_roony"],
    "the capture comes before any statement": ["approved_without_roony"],
    "frozen before Stripe tells what it approved by itself": ["approved_without_roony"],
    "expired here, approved by Stripe all the same": ["approved_without_roony"],
    "reversed, then captured all the same": ["extra_capture"],
}


@pytest.fixture
def books(tmp_path: Path) -> Iterator[Books]:
    with open_books(tmp_path) as books:
        yield books


@pytest.mark.parametrize("name", LIVES)
def test_life(name: str, books: Books) -> None:
    story = Story(books)
    table = READY.strip() + "\n" + LIVES[name].strip()
    assert story.tell(table) == neat(table)
    assert story.flags() == FLAGS.get(name, [])
