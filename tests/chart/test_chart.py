"""Proves the Helm chart without a cluster; scripts/chart.sh runs it. Names of tests (`Network`, `Network.test_…`) as
arguments run these alone."""

import sys
import unittest

from binaries import Binaries
from faults import PlantedFaults
from hooks import Hooks
from names import Names
from network import Network
from operators import Operators
from rendering import Rendered
from running import Running
from security import Security
from switches import Switches
from workloads import Workloads

# What is looked for below, in this module.
__all__ = [
    "Binaries",
    "Hooks",
    "Names",
    "Network",
    "Operators",
    "PlantedFaults",
    "Rendered",
    "Running",
    "Security",
    "Switches",
    "Workloads",
]

if __name__ == "__main__":
    result = unittest.main(exit=False, verbosity=2 if "-v" in sys.argv else 1).result
    failed = {str(getattr(test, "test_case", test)) for test, _ in result.failures + result.errors}
    print(f"{result.testsRun - len(failed)} passed, {len(failed)} failed")
    sys.exit(0 if result.wasSuccessful() and result.testsRun else 1)
