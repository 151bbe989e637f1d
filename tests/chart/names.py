"""Names of objects, and what refers to them."""

from checks import CI, KUBERNETES, kubeconform, of_kind, pods, render
from common import Test, everything


class Names(Test):
    LONG = "a-release-with-a-name-that-is-as-long-as-they-may-be"

    def test_they_have_at_most_63_characters(self):
        objects = render(CI["everything"] | {"fullnameOverride": ""}, self.LONG)

        names = [found["metadata"]["name"] for found in objects]
        self.assertIn(63, map(len, names))
        for name in names:
            self.assertRegex(name, r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
        for found in objects:
            for label, value in found["metadata"]["labels"].items():
                self.assertRegex(value, r"^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$", label)
        self.fine(kubeconform({"long": objects}, KUBERNETES[-1]))

    def test_releases_in_one_namespace_share_nothing(self):
        values = CI["everything"] | {"fullnameOverride": ""}
        releases = ("shop", "shop-acl", "shop-api", "virtual-stock", self.LONG, self.LONG[:-1] + "x")
        owners, selectors = {}, []
        for release in releases:
            objects = render(values, release)
            for found in objects:
                name = (found["kind"], found["metadata"]["name"])
                self.assertNotIn(name, owners)
                owners[name] = release
            selectors += [found["spec"]["selector"] for found in of_kind(objects, "Service").values()]
        self.assertEqual(len(selectors), len({tuple(sorted(selector.items())) for selector in selectors}))

    def test_names_that_are_referred_to_exist(self):
        for variant, objects in everything().items():
            for name, pod in pods(objects).items():
                for volume in pod["spec"].get("volumes", []):
                    used = volume.get("configMap", {}).get("name", "")
                    if used.startswith("shop-"):
                        self.assertIn(used, of_kind(objects, "ConfigMap"), (variant, name))
                account = pod["spec"].get("serviceAccountName")
                self.assertTrue(account is None or account in of_kind(objects, "ServiceAccount"), (variant, name))
            services = {
                name: {port["name"]: port["port"] for port in found["spec"]["ports"]}
                for name, found in of_kind(objects, "Service").items()
            }
            for ingress in of_kind(objects, "Ingress").values():
                for path in ingress["spec"]["rules"][0]["http"]["paths"]:
                    self.assertIn(path["backend"]["service"]["port"]["name"], services[path["backend"]["service"]["name"]])
            for route in of_kind(objects, "HTTPRoute").values():
                for backend in route["spec"]["rules"][0]["backendRefs"]:
                    self.assertEqual(backend["port"], services[backend["name"]]["http"])
            for scaled in [*of_kind(objects, "HorizontalPodAutoscaler").values(), *of_kind(objects, "ScaledObject").values()]:
                self.assertIn(scaled["spec"]["scaleTargetRef"]["name"], of_kind(objects, "Deployment"))
