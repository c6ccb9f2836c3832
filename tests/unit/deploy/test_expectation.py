"""Does the demo's own reading of rules, directory and divisions say what the services' does, and does the sample show enough?"""

import json
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import msgspec
import pytest

from deploy.demo.expectation import Leg, expect, minors, read_agencies, read_reports, years
from deploy.demo.run import DIRECTORY, REPORTS, RULES
from deploy.sample import make
from deploy.sample.divisions import load
from services.intake.domain.content import GROUPS, SITUATIONS
from services.intake.domain.told import Told, faults
from services.referral.app import read_directory
from services.referral.domain.agency import agency_id, faults_of, gaps_in, keys_up
from services.referral.domain.leg import Leg as RealLeg
from services.referral.domain.issuing import issue
from services.referral.domain.routing import Knowledge, holder, told_by
from services.referral.domain.rule_rows import Reporter
from services.referral.domain.rules import RuleSet, plan
from shared import calendar
from shared.calendar import Calendar
from shared.identifiers import case_id, uuid7
from shared.regions import Regions
