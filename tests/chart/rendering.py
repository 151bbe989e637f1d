"""Lint, schemas, kube-score, and the page of the values."""

from checks import CHART, CI, KUBERNETES, kube_score, kubeconform, lint, table_of_values
from common import Test, everything


class Rendered(Test):
    def test_every_ci_file_is_linted_strictly(self):
        self.assertEqual({"minimal", "ha", "eks", "everything"}, CI.keys())
        for name, values in CI.items():
            with self.subTest(name):
                self.fine(lint(values))

    def test_every_object_fits_its_schema(self):
        self.assertEqual(2, len(KUBERNETES))
        self.assertEqual("1.30.0", KUBERNETES[0])
        for version in KUBERNETES:
            with self.subTest(kubernetes=version):
                self.fine(kubeconform(everything(), version))

    def test_kube_score_finds_nothing_critical(self):
        for name in CI:
            with self.subTest(name):
                self.fine(kube_score(everything()[name]))

    def test_the_table_of_values_is_up_to_date(self):
        values, page = (CHART / "values.yaml").read_text(), (CHART / "README.md").read_text()
        self.assertEqual(table_of_values(page, values), page, "run .local/chart/bin/python scripts/chart-values.py")
