"""What happens in referral? One pure function per message, its type beside it."""

from services.referral.handlers.acknowledging import AcknowledgeRung
from services.referral.handlers.agencies import PutAgency, RefuseUnreadable, rest
from services.referral.handlers.answers import NoteDelivery, TakeAnswer
from services.referral.handlers.cases import OpenCase, tick
from services.referral.handlers.chain import forward
from services.referral.handlers.claims import ClaimLeg
from services.referral.handlers.covering import decide
from services.referral.handlers.holding import hold
from services.referral.handlers.notes import note_of
from services.referral.handlers.pressing import AnswerPress, ClosePress, PressLegs
from services.referral.handlers.reaching import NoteUndeliverable
from services.referral.handlers.rules import MoveRules
from services.referral.handlers.stories import LinkCase, UnlinkCase
from services.referral.handlers.withdrawing import AskWithdrawal, VoidLeg

__all__ = [
    "AcknowledgeRung",
    "AnswerPress",
    "AskWithdrawal",
    "ClaimLeg",
    "ClosePress",
    "LinkCase",
    "MoveRules",
    "NoteDelivery",
    "NoteUndeliverable",
    "OpenCase",
    "PressLegs",
    "PutAgency",
    "RefuseUnreadable",
    "TakeAnswer",
    "UnlinkCase",
    "VoidLeg",
    "decide",
    "forward",
    "hold",
    "note_of",
    "rest",
    "tick",
]
