"""A class that grows and shrinks, by the real commands: what arrives, what leaves, and which stages work for it."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from conftest import EDGE, Run, edit, write_class, write_photo, write_student
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule, run_state_machine_as_test

from shoepair import arrival, params, paths, roster, table, withdrawals
from shoepair.errors import ShoepairError
from shoepair.splits import Split
from stages import ingest, normalize, pairs, split, validate
