"""Checks what the services are deployed with, as far as that goes without a container engine: `scripts/deploy.sh` runs it. Names of
modules (`images`, `balancer.Balancer`, …) as arguments run these alone."""

import sys
import time
import unittest

MODULES = ("images", "jail", "composition", "balancer", "databases", "watching", "grafana", "papers")


def main():
    began = time.monotonic()
    loader = unittest.TestLoader()
    suite = loader.loadTestsFromNames(sys.argv[1:] or MODULES)
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    failed = len(result.failures) + len(result.errors) + len(result.unexpectedSuccesses)
    skipped = len(result.skipped)
    passed = result.testsRun - failed - skipped
    print(f"{time.monotonic() - began:.1f} s", flush=True)
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
