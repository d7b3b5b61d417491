"""What schemas cannot say: objects that fit each other, and defaults that an admin accepts.

Each rule takes the rendered objects and yields problems. `RULES` is all of them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from k8s.checks import serving
from k8s.local_runner.policy import jobset_action
from k8s.objects import Object, Objects, containers, name_of, plain_env, pod_templates, training_of

Rule = Callable[[Objects], Iterator[str]]

# qstore_tf/distribute/launch/exit_codes.py
PERMANENT = 78  # a configuration error
STOPPED = 75  # was asked to stop and saved: start it again, and do not count it
COUNTED = {1, 76, 77, 137}  # start it again while restarts are left
LONGEST_PAUSE = 360  # seconds that a Job waits at most before it starts a pod again

# Variables that neither the script nor qstore_tf reads, and what does.
READ_ELSEWHERE = {
    "NCCL_SOCKET_IFNAME": "NCCL",
}
_COMPONENT = "app.kubernetes.io/component"
# Secrets that users make, and their keys: no Secret is shipped.
SECRETS = {
    "ionq": {"api-key", "budget-token"},
    "store": {"keys"},
    "store-postgres": {"address", "password"},
    "store-cache": {"address"},
}


def references(objects: Objects) -> Iterator[str]:
    """ConfigMaps, claims and accounts that pods name exist; Secrets are named in README.md."""
    for where, template in pod_templates(objects):
        spec = template["spec"]
        wanted = [("ServiceAccount", spec.get("serviceAccountName", "default"))]
        for volume in spec.get("volumes", []):
            if "configMap" in volume:
                wanted.append(("ConfigMap", volume["configMap"]["name"]))
            if "persistentVolumeClaim" in volume:
                claim = volume["persistentVolumeClaim"]["claimName"]
                wanted.append(("PersistentVolumeClaim", claim))
        for container in containers(template):
            for source in container.get("envFrom", []):
                wanted.append(("ConfigMap", source["configMapRef"]["name"]))
            for name, source in _value_sources(container):
                if "configMapKeyRef" in source:
                    key = source["configMapKeyRef"]
                    settings = objects.find("ConfigMap", key["name"])
                    wanted.append(("ConfigMap", key["name"]))
                    if settings and key["key"] not in settings.get("data", {}):
                        yield f"{where}: {name}: ConfigMap {key['name']} has no {key['key']}"
                if "secretKeyRef" in source:
                    secret = source["secretKeyRef"]
                    if secret["key"] not in SECRETS.get(secret["name"], ()):
                        yield f"{where}: {name}: no one is told to make Secret {secret}"
        for kind, name in wanted:
            if objects.find(kind, name) is None:
                yield f"{where}: there is no {kind} {name!r}"


def secrets(objects: Objects) -> Iterator[str]:
    """No Secret is shipped, and nothing looks like a key."""
    for document in objects.of("Secret"):
        yield f"Secret {name_of(document)} is shipped"
    for where, template in pod_templates(objects):
        for container in containers(template):
            for name in plain_env(container, objects):
                if re.search(r"KEY|TOKEN|PASSWORD|SECRET", name):
                    yield f"{where}: {name} stands there in plain text"


def volumes(objects: Objects) -> Iterator[str]:
    """Every mount has its volume, every volume is mounted, no two at one path."""
    for where, template in pod_templates(objects):
        declared = [volume["name"] for volume in template["spec"].get("volumes", [])]
        mounts = [m for each in containers(template) for m in each.get("volumeMounts", [])]
        mounted = {mount["name"] for mount in mounts}
        for name in sorted(mounted - set(declared)):
            yield f"{where}: {name} is mounted but no volume"
        for name in sorted(set(declared) - mounted):
            yield f"{where}: volume {name} is not mounted"
        if len(set(declared)) < len(declared):
            yield f"{where}: two volumes have one name"
        for container in containers(template):
            paths = [mount["mountPath"] for mount in container.get("volumeMounts", [])]
            if len(set(paths)) < len(paths):
                yield f"{where}: two volumes at one path"
            read_only = container.get("securityContext", {}).get("readOnlyRootFilesystem")
            if read_only and "/tmp" not in paths:
                yield f"{where}: the root is read-only and nothing is mounted at /tmp"


def selectors(objects: Objects) -> Iterator[str]:
    """Services, Deployments and NetworkPolicies select pods that exist, Services one kind only."""
    labels = {where: _labels(template) for where, template in pod_templates(objects)}
    for service in objects.of("Service"):
        chosen = _chosen(labels, service["spec"].get("selector"))
        if len(chosen) != 1:
            yield f"Service {name_of(service)} selects {chosen or 'nothing'}"
    for deployment in objects.of("Deployment", "StatefulSet"):
        where = f"{deployment['kind']} {name_of(deployment)}"
        chosen = _chosen(labels, deployment["spec"]["selector"].get("matchLabels"))
        if chosen != [where]:
            yield f"{where} selects {chosen or 'nothing'}"
    for policy in objects.of("NetworkPolicy"):
        where = f"NetworkPolicy {name_of(policy)}"
        spec = policy["spec"]
        if not _chosen(labels, spec["podSelector"].get("matchLabels")):
            yield f"{where} selects no pods"
        for rule in [*spec.get("ingress", []), *spec.get("egress", [])]:
            for peer in [*rule.get("from", []), *rule.get("to", [])]:
                wanted = peer.get("podSelector", {}).get("matchLabels")
                if wanted is not None and not _chosen(labels, wanted):
                    yield f"{where} names peers that do not exist: {wanted}"


def service_ports(objects: Objects) -> Iterator[str]:
    """Every port of a Service is a port of the pods it selects."""
    templates = dict(pod_templates(objects))
    labels = {where: _labels(template) for where, template in templates.items()}
    for service in objects.of("Service"):
        for where in _chosen(labels, service["spec"].get("selector")):
            ports = _ports(templates[where])
            for port in service["spec"]["ports"]:
                target = port.get("targetPort", port["port"])
                if target not in ports and target not in ports.values():
                    yield f"Service {name_of(service)}: {where} has no port {target}"
                # A headless Service translates no ports.
                number = ports.get(target, target)
                if service["spec"].get("clusterIP") == "None" and number != port["port"]:
                    headless = f"Service {name_of(service)}, headless"
                    yield f"{headless}: port {port['port']}, but the pods' is {number}"


def names_of_workers(objects: Objects) -> Iterator[str]:
    """The headless Service (or the JobSet's network) gives workers the names they expect."""
    training = training_of(objects)
    service = objects.find("Service", training.subdomain or "")
    if training.in_jobset:
        network = objects.of("JobSet")[0]["spec"].get("network", {})
        for field in ("enableDNSHostnames", "publishNotReadyAddresses"):
            if network.get(field) is not True:
                yield f"JobSet {training.name}: network.{field} is not true"
        if service is not None:
            yield f"Service {training.subdomain} is in the way of the one that JobSet makes"
        if "subdomain" in training.pod["spec"]:
            yield f"JobSet {training.name}: the subdomain of its pods is JobSet's to set"
    elif service is None:
        yield f"Job {training.name}: there is no Service {training.subdomain!r}, its subdomain"
    else:
        if service["spec"].get("clusterIP") != "None":
            yield f"Service {training.subdomain} is not headless"
        if service["spec"].get("publishNotReadyAddresses") is not True:
            yield f"Service {training.subdomain} does not publish addresses that are not ready"
    address = _worker(objects).get("QSTORE_WORKER_ADDRESS", "")
    expected = f"{training.host}-{{index}}.{training.subdomain}:"
    if not address.startswith(expected):
        yield f"QSTORE_WORKER_ADDRESS is {address!r}, the pods' names are {expected!r}"
    port = address.rpartition(":")[2]
    if port not in map(str, _ports(training.pod).values()):
        yield f"QSTORE_WORKER_ADDRESS has port {port}, the container {_ports(training.pod)}"
    if service is not None and port not in {str(p["port"]) for p in service["spec"]["ports"]}:
        yield f"QSTORE_WORKER_ADDRESS has port {port}, Service {training.subdomain} has not"


def counts(objects: Objects) -> Iterator[str]:
    """All workers run at once, and all know how many they are."""
    job = training_of(objects).job
    if job.get("completionMode") != "Indexed":
        yield "the Job is not Indexed"
    numbers = {
        "completions": str(job.get("completions")),
        "parallelism": str(job.get("parallelism")),
        "QSTORE_WORKERS": str(_worker(objects).get("QSTORE_WORKERS")),
    }
    if len(set(numbers.values())) != 1:
        yield f"the number of workers is not the same everywhere: {numbers}"


def restarts(objects: Objects) -> Iterator[str]:
    """Failed pods are replaced, one at a time for each index, unless the failure is permanent."""
    training = training_of(objects)
    job = training.job
    if training.pod["spec"].get("restartPolicy") != "Never":
        yield "restartPolicy is not Never, which podFailurePolicy needs"
    if job.get("podReplacementPolicy") != "Failed":
        yield "podReplacementPolicy is not Failed: two pods of one index could run at once"
    if "backoffLimitPerIndex" in job:
        yield "backoffLimitPerIndex is set, but one worker's failure is every worker's"
    names = {container["name"] for container in containers(training.pod)}
    rules = job.get("podFailurePolicy", {}).get("rules", [])
    actions: dict[int | str, str] = {}  # by exit code or condition; the first rule counts
    for rule in rules:
        codes = rule.get("onExitCodes", {})
        if codes and codes.get("containerName", "") not in {"", *names}:
            yield f"podFailurePolicy names container {codes['containerName']!r}"
        if codes.get("operator", "In") != "In":
            yield "podFailurePolicy lists exit codes by what they are not"
        for code in codes.get("values", []):
            actions.setdefault(code, rule["action"])
        for condition in rule.get("onPodConditions", []):
            if condition.get("status") == "True":
                actions.setdefault(condition["type"], rule["action"])
    if actions.get(PERMANENT) != "FailJob":
        yield f"exit code {PERMANENT} does not fail the Job"
    for code in sorted(COUNTED & actions.keys()):
        yield f"exit code {code} does not count as one failure but as {actions[code]}"
    uncounted = "FailJob" if training.in_jobset else "Ignore"
    for what in (STOPPED, "DisruptionTarget"):
        if actions.get(what) != uncounted:
            yield f"{what}: the action is {actions.get(what)}, not {uncounted}"
    limit = job.get("backoffLimit", 6)
    if training.in_jobset:
        yield from _jobset_restarts(limit, training.failure_policy or {})
    elif limit < training.workers or limit % training.workers:
        yield f"backoffLimit {limit} is no multiple of the {training.workers} workers"


def _jobset_restarts(limit: int, policy: Object) -> Iterator[str]:
    if limit != 0:
        yield f"backoffLimit is {limit}: the child job would restart single workers"
    if policy.get("restartStrategy") != "BlockingRecreate":
        yield "restartStrategy is not BlockingRecreate: old and new workers could meet"
    if policy.get("maxRestarts", 0) < 1:
        yield "maxRestarts allows no restart"
    messages = {
        f"failed with exit code {PERMANENT} matching": "FailJobSet",
        f"failed with exit code {STOPPED} matching": "RestartJobSetAndIgnoreMaxRestarts",
        "has condition DisruptionTarget matching": "RestartJobSetAndIgnoreMaxRestarts",
    }
    for message, expected in messages.items():
        action = jobset_action(policy, "PodFailurePolicy", message)
        if action != expected:
            yield f"a pod that {message} a rule leads to {action}, not to {expected}"
    if jobset_action(policy, "BackoffLimitExceeded", "") != "RestartJobSet":
        yield "a lost worker does not restart the JobSet"


def times(objects: Objects) -> Iterator[str]:
    """There is a deadline, time to save, and more time to start than a Job may pause."""
    training = training_of(objects)
    if not training.job.get("activeDeadlineSeconds"):
        yield "activeDeadlineSeconds is not set"
    grace = training.pod["spec"].get("terminationGracePeriodSeconds", 30)
    if grace < 60:
        yield f"terminationGracePeriodSeconds is {grace}, less than 60"
    timeout = float(_worker(objects).get("START_TIMEOUT", 0))
    if timeout <= LONGEST_PAUSE:
        yield f"START_TIMEOUT is {timeout:.0f}, a Job may wait {LONGEST_PAUSE} s to restart a pod"


def pod_security(objects: Objects) -> Iterator[str]:
    """Pod Security Standard 'restricted', a read-only root, no token, and nothing of the host."""
    for account in objects.of("ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"ServiceAccount {name_of(account)} hands out tokens"
    for where, template in pod_templates(objects):
        spec = template["spec"]
        context = spec.get("securityContext", {})
        if spec.get("automountServiceAccountToken") is not False:
            yield f"{where} mounts a token"
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if spec.get(field):
                yield f"{where}: {field}"
        for volume in spec.get("volumes", []):
            kinds = volume.keys() - {"name"}
            if not kinds <= {"configMap", "emptyDir", "persistentVolumeClaim", "secret"}:
                yield f"{where}: volume {volume['name']} is of kind {sorted(kinds)}"
        for container in containers(template):
            yield from (
                f"{where}, container {container['name']}: {problem}"
                for problem in _insecure({**context, **container.get("securityContext", {})})
            )
            if any("hostPort" in port for port in container.get("ports", [])):
                yield f"{where}: hostPort"


def _insecure(context: Mapping[str, Any]) -> Iterator[str]:
    wanted = {
        "runAsNonRoot": True,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        "capabilities": {"drop": ["ALL"]},
    }
    for field, value in wanted.items():
        if context.get(field) != value:
            yield f"{field} is {context.get(field)!r}, not {value!r}"
    if context.get("privileged"):
        yield "privileged"
    if not context.get("runAsUser", 0) >= 1000:
        yield f"runAsUser is {context.get('runAsUser')!r}, not a user's number"


def resources(objects: Objects) -> Iterator[str]:
    """Requests equal limits, for processor and memory at least; scratch space has a limit."""
    for where, template in pod_templates(objects):
        for container in containers(template):
            asked = container.get("resources", {})
            if not asked.get("limits") or asked.get("requests") != asked.get("limits"):
                yield f"{where}: requests and limits differ: {asked}"
            missing = {"cpu", "memory", "ephemeral-storage"} - asked.get("limits", {}).keys()
            if missing:
                yield f"{where}: no limits of {sorted(missing)}"
        for volume in template["spec"].get("volumes", []):
            if "emptyDir" in volume and "sizeLimit" not in (volume["emptyDir"] or {}):
                yield f"{where}: volume {volume['name']} has no sizeLimit"


def images(objects: Objects) -> Iterator[str]:
    """Images are named with a version, the same for all pods of one version of the package."""
    for where, template in pod_templates(objects):
        for container in containers(template):
            image = container["image"]
            _, colon, tag = image.rpartition("/")[2].partition(":")
            if "@sha256:" not in image and (not colon or not re.match(r"v?\d+\.\d+", tag)):
                yield f"{where}: image {image!r} has no version"
            if container.get("imagePullPolicy") == "Always":
                yield f"{where}: an image with a version need not be pulled always"


def probes(objects: Objects) -> Iterator[str]:
    """What a Service sends requests to says when it is ready, on a port that it has."""
    for deployment in objects.of("Deployment", "StatefulSet"):
        where = f"{deployment['kind']} {name_of(deployment)}"
        template = deployment["spec"]["template"]
        ports = _ports(template)
        for container in containers(template):
            for kind in ("readinessProbe", "livenessProbe"):
                probe = container.get(kind, {}).get("httpGet")
                if not probe:
                    yield f"{where} has no {kind}"
                elif probe["port"] not in ports and probe["port"] not in ports.values():
                    yield f"{where}: {kind} asks port {probe['port']!r}, which there is not"


def environment(objects: Objects) -> Iterator[str]:
    """What is set is read by the script, by qstore_tf or by a library; what must be set is."""
    training = training_of(objects)
    (container,) = containers(training.pod)
    path = Path(container["command"][-1])
    mounts = {m["mountPath"]: m["name"] for m in container["volumeMounts"]}
    sources = {volume["name"]: volume for volume in training.pod["spec"]["volumes"]}
    volume = sources.get(mounts.get(str(path.parent), ""), {})
    scripts = objects.find("ConfigMap", volume.get("configMap", {}).get("name", "")) or {}
    script = scripts.get("data", {}).get(path.name)
    if script is None:
        yield f"no ConfigMap brings the script {path}"
        return
    required, optional = environment_of(script)
    given = set(_worker(objects)) | {name for name, _ in _value_sources(container)}
    for name in sorted(given - required - optional - _read_by_package() - READ_ELSEWHERE.keys()):
        yield f"nothing reads {name}"
    for name in sorted(required - given):
        yield f"the script needs {name}, which is not set"


def environment_of(script: str) -> tuple[set[str], set[str]]:
    """Variables that a script needs (`os.environ["A"]`) and that it can do without (`.get`)."""
    required, optional = set(), set()
    for node in ast.walk(ast.parse(script)):
        if isinstance(node, ast.Subscript) and ast.unparse(node.value) == "os.environ":
            required.add(ast.literal_eval(node.slice))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in (
            "os.environ.get",
            "os.getenv",
        ):
            optional.add(ast.literal_eval(node.args[0]))
    return required, optional


def _read_by_package() -> set[str]:
    package = Path(__file__).resolve().parents[2] / "qstore_tf"
    texts = (path.read_text(encoding="utf-8") for path in package.rglob("*.py"))
    return {name for text in texts for name in re.findall(r'"((?:QSTORE|IONQ)_[A-Z_]+)"', text)}


def tensorboard(objects: Objects) -> Iterator[str]:
    """TensorBoard reads, and only reads, the claim that training writes its logs to."""
    training = training_of(objects)
    written = _claim_at(training.pod, _worker(objects).get("LOGS", ""))
    for deployment in objects.of("Deployment"):
        template = deployment["spec"]["template"]
        if _labels(template).get(_COMPONENT) == "local-ionq":
            continue
        (container,) = containers(template)
        arguments = [*container.get("command", []), *container.get("args", [])]
        folders = [each.partition("=")[2] for each in arguments if each.startswith("--logdir=")]
        read = _claim_at(template, folders[0] if folders else "")
        if read is None or written is None or read[0] != written[0]:
            yield f"TensorBoard reads {read}, training writes {written}"
        elif not read[1]:
            yield "TensorBoard may write to the logs"
        elif written[1]:
            yield "training may not write its logs"
        if "--reload_multifile=true" not in arguments:
            yield "TensorBoard would miss what a resumed training writes: --reload_multifile=true"
    checkpoints = _claim_at(training.pod, _worker(objects).get("CHECKPOINTS", ""))
    if checkpoints is None or checkpoints[1]:
        yield f"checkpoints are not written to a claim, but to {checkpoints}"


def network(objects: Objects) -> Iterator[str]:
    """Every pod is behind a policy for both directions; only workers reach workers."""
    training = training_of(objects)
    port = int(_worker(objects).get("QSTORE_WORKER_ADDRESS", ":0").rpartition(":")[2])
    labels = {where: _labels(template) for where, template in pod_templates(objects)}
    covered = set()
    workers = _labels(training.pod)
    rules: dict[str, list[Object]] = {"ingress": [], "egress": []}
    for policy in objects.of("NetworkPolicy"):
        spec = policy["spec"]
        chosen = _chosen(labels, spec["podSelector"].get("matchLabels"))
        covered |= {(where, kind) for where in chosen for kind in spec["policyTypes"]}
        if _selects(spec["podSelector"].get("matchLabels"), workers):
            for direction in rules:
                rules[direction] += spec.get(direction, [])
    for where in labels:
        for kind in ("Ingress", "Egress"):
            if (where, kind) not in covered:
                yield f"{where}: no NetworkPolicy limits {kind}"
    for rule in rules["ingress"]:
        for peer in rule.get("from") or [{}]:
            only = peer.get("podSelector", {}).get("matchLabels")
            others = [where for where in _chosen(labels, only) if labels[where] != workers]
            if not only or "namespaceSelector" in peer or "ipBlock" in peer or others:
                yield f"workers' ports are open to others than workers: {peer}"
    for direction, side in (("ingress", "from"), ("egress", "to")):
        if not any(_allows(rule, side, workers, port) for rule in rules[direction]):
            yield f"workers' {direction} on port {port} is closed"
    if not any(53 in _numbers(rule) for rule in rules["egress"]):
        yield "workers cannot ask for names (port 53)"


def local_ionq(objects: Objects) -> Iterator[str]:
    """Where workers send circuits to a server of the cluster, they reach it, and only they do."""
    url = urlsplit(_worker(objects).get("IONQ_API_URL", ""))
    if url.scheme != "http" or url.port is None:
        return
    service = objects.find("Service", url.hostname or "")
    if service is None or url.port not in [port["port"] for port in service["spec"]["ports"]]:
        yield f"IONQ_API_URL is {url.geturl()}, and there is no such Service"
        return
    workers = _labels(training_of(objects).pod)
    labels = {where: _labels(template) for where, template in pod_templates(objects)}
    for where in _chosen(labels, service["spec"]["selector"]):
        server = labels[where]
        incoming = _rules_for(objects, server, "ingress")
        if not any(_allows(rule, "from", workers, url.port) for rule in incoming):
            yield f"{where} is closed to workers"
        outgoing = _rules_for(objects, workers, "egress")
        if not any(_allows(rule, "to", server, url.port) for rule in outgoing):
            yield f"workers do not get out to {where}"
        for rule in incoming:
            for peer in rule.get("from") or [{}]:
                only = peer.get("podSelector", {}).get("matchLabels")
                others = [each for each in _chosen(labels, only) if labels[each] != workers]
                if not only or "namespaceSelector" in peer or "ipBlock" in peer or others:
                    yield f"{where}, which takes any key, is open to others than workers: {peer}"
        if _rules_for(objects, server, "egress"):
            yield f"{where} needs no way out, but has one"


def budget_account(objects: Objects) -> Iterator[str]:
    """Where worker 0 keeps the account of all, workers reach its port; journals are each one's own.

    That nobody else reaches workers is a matter of `network`.
    """
    settings = _worker(objects)
    training = training_of(objects)
    journal = settings.get("QSTORE_IONQ_JOURNAL")
    if journal is not None and "{index}" not in journal:
        yield "each worker has a journal of its own: QSTORE_IONQ_JOURNAL with {index}"
    address = settings.get("IONQ_BUDGET_ADDRESS")
    if address is None:
        return
    if "IONQ_BUDGET_USD" not in settings:
        yield "IONQ_BUDGET_ADDRESS is set without IONQ_BUDGET_USD"
    if "{index}" in settings.get("IONQ_BUDGET_PATH", "{index}"):
        yield "one account for all workers has one file: IONQ_BUDGET_PATH without {index}"
    if "IONQ_BUDGET_TOKEN" not in {name for name, _ in _value_sources(containers(training.pod)[0])}:
        yield "workers have no IONQ_BUDGET_TOKEN from a Secret"
    port, workers = address.rpartition(":")[2], _labels(training.pod)
    others = {settings.get("QSTORE_WORKER_ADDRESS", "").rpartition(":")[2]}
    if not port.isdecimal() or port in others:
        yield f"IONQ_BUDGET_ADDRESS is {address}, which has no free port"
        return
    for direction, side in (("ingress", "from"), ("egress", "to")):
        rules = _rules_for(objects, workers, direction)
        if not any(_allows(rule, side, workers, int(port)) for rule in rules):
            yield f"workers' {direction} on the account's port {port} is closed"


def _rules_for(objects: Objects, labels: Mapping[str, str], direction: str) -> list[Object]:
    return [
        rule
        for policy in objects.of("NetworkPolicy")
        if _selects(policy["spec"]["podSelector"].get("matchLabels"), labels)
        for rule in policy["spec"].get(direction, [])
    ]


def _allows(rule: Object, side: str, labels: Mapping[str, str], port: int) -> bool:
    peers = (peer.get("podSelector", {}).get("matchLabels") for peer in rule.get(side, []))
    return any(_selects(peer, labels) for peer in peers) and (
        "ports" not in rule or port in _numbers(rule)
    )


def _numbers(rule: Object) -> set[int]:
    return {each["port"] for each in rule.get("ports", [])}


def _value_sources(container: Object) -> Iterator[tuple[str, Object]]:
    for entry in container.get("env", []):
        if "valueFrom" in entry:
            yield entry["name"], entry["valueFrom"]


def _worker(objects: Objects) -> dict[str, str]:
    return plain_env(training_of(objects).pod["spec"]["containers"][0], objects)


def _labels(template: Object) -> dict[str, str]:
    labels: dict[str, str] = template.get("metadata", {}).get("labels", {})
    return labels


def _selects(selector: Mapping[str, str] | None, labels: Mapping[str, str]) -> bool:
    return bool(selector) and dict(selector or {}).items() <= labels.items()


def _chosen(labels: Mapping[str, Mapping[str, str]], selector: Any) -> list[str]:
    return [where for where, own in labels.items() if _selects(selector, own)]


def _ports(template: Object) -> dict[str, int]:
    ports = (port for each in containers(template) for port in each.get("ports", []))
    return {port.get("name", str(port["containerPort"])): port["containerPort"] for port in ports}


def _claim_at(template: Object, path: str) -> tuple[str, bool] | None:
    """Claim mounted at `path` or above, and whether it is read-only."""
    claims = {
        volume["name"]: volume["persistentVolumeClaim"]["claimName"]
        for volume in template["spec"].get("volumes", [])
        if "persistentVolumeClaim" in volume
    }
    for mount in containers(template)[0].get("volumeMounts", []):
        below = (
            Path(path) == Path(mount["mountPath"]) or Path(mount["mountPath"]) in Path(path).parents
        )
        if below and mount["name"] in claims:
            return claims[mount["name"]], bool(mount.get("readOnly"))
    return None


# Of any pods, of a training, and of the database as a service.
OF_PODS: tuple[Rule, ...] = (
    references,
    secrets,
    volumes,
    selectors,
    service_ports,
    pod_security,
    resources,
    images,
    probes,
)
OF_TRAINING: tuple[Rule, ...] = (
    names_of_workers,
    counts,
    restarts,
    times,
    environment,
    tensorboard,
    network,
    local_ionq,
    budget_account,
)
RULES: tuple[Rule, ...] = (*OF_PODS, *OF_TRAINING, *serving.RULES)


def problems(objects: Objects) -> list[str]:
    """What any rule has against these objects: a training, unless only a database is served."""
    trains = objects.of("Job", "JobSet") or not serving.serves(objects)
    rules = RULES if trains else (*OF_PODS, *serving.RULES)
    return [f"{rule.__name__}: {problem}" for rule in rules for problem in rule(objects)]
