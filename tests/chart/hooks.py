"""Jobs, and when they run."""

from checks import component, of_kind
from common import Test, everything


class Hooks(Test):
    def hooks(self, name: str) -> dict[str, tuple[str, int]]:
        found = {}
        for hook in everything()[name]:
            annotations = hook["metadata"].get("annotations", {})
            if "helm.sh/hook" in annotations:
                # `helm test --logs` asks for the log of a test that has ended.
                over = "" if annotations["helm.sh/hook"] == "test" else ",hook-succeeded"
                self.assertEqual(f"before-hook-creation{over}", annotations["helm.sh/hook-delete-policy"])
                weight = int(annotations.get("helm.sh/hook-weight", "0"))
                found[f"{hook['kind']} {hook['metadata']['name']}"] = (annotations["helm.sh/hook"], weight)
        return found

    def test_tables_and_then_topics_are_brought_up_to_date_first(self):
        before = "pre-install,pre-upgrade"
        for name in ("minimal", "ha", "eks"):
            hooks = self.hooks(name)
            wanted = {"Pod shop-test": ("test", 0)}
            for job, weight in {"api-migrate": 0, "acl-migrate": 0, "api-topics": 1, "acl-topics": 1}.items():
                wanted[f"Job shop-{job}"] = (before, weight)
                wanted |= {f"{kind} shop-{job}": (before, -10) for kind in ("ConfigMap", "NetworkPolicy")}
            self.assertEqual(wanted, hooks)

    def test_what_this_chart_makes_is_waited_for(self):
        hooks = self.hooks("everything")
        for task, events in (("migrate", "post-install,pre-upgrade"), ("topics", "post-install,post-upgrade")):
            for service in ("api", "acl"):
                self.assertEqual(events, hooks[f"Job shop-{service}-{task}"][0])
                self.assertEqual((events, -10), hooks[f"ConfigMap shop-{service}-{task}"])

    def test_before_an_installation_nothing_is_used_that_comes_with_it(self):
        for name in ("minimal", "ha", "eks"):
            hooks = {hook.split()[1] for hook in self.hooks(name) if hook.startswith("ConfigMap ")}
            for job in of_kind(everything()[name], "Job").values():
                spec = job["spec"]["template"]["spec"]
                self.assertNotIn("serviceAccountName", spec)
                used = {volume["configMap"]["name"] for volume in spec["volumes"] if "configMap" in volume}
                self.assertLessEqual({config for config in used if config.startswith("shop-")}, hooks)
                self.assertEqual(("Never", 600), (spec["restartPolicy"], job["spec"]["activeDeadlineSeconds"]))

    def test_a_job_gets_the_credentials_of_its_task_only(self):
        for job in of_kind(everything()["ha"], "Job").values():
            names = {variable["name"] for variable in job["spec"]["template"]["spec"]["containers"][0]["env"]}
            database, kafka = (any(part in name for name in names) for part in ("__DATABASE__URL", "__KAFKA__OPTIONS"))
            self.assertEqual(component(job).endswith("-migrate"), database)
            self.assertEqual(component(job).endswith("-topics"), kafka)
