"""Good manifests pass every rule and schema; each rule notices what it is there for."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from k8s.checks import __main__ as command
from k8s.checks import render, rules, schemas, serving
from k8s.objects import ManifestError, Objects, load, training_of
from qstore_tf.distribute.launch.exit_codes import ExitCode

Render = Callable[[str], Objects]
Change = Callable[[Objects], Any]


@pytest.mark.parametrize("overlay", render.OVERLAYS)
def test_the_manifests_break_no_rule(rendered: Render, overlay: str) -> None:
    assert rules.problems(rendered(overlay)) == []


@pytest.mark.slow
@pytest.mark.parametrize("overlay", render.OVERLAYS)
def test_every_kubernetes_release_accepts_the_manifests(rendered: Render, overlay: str) -> None:
    objects = rendered(overlay)
    problems = [p for version in schemas.VERSIONS for p in schemas.problems(objects, version)]
    assert problems == []


def test_the_schemas_are_those_of_the_releases_we_name() -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    good = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a"}}
    for version in schemas.VERSIONS:
        found = kubernetes_validate.validate(good, version, strict=True)
        assert str(found).startswith(version), (found, version)


def spec(objects: Objects) -> dict[str, Any]:
    return training_of(objects).pod["spec"]


def container(objects: Objects) -> dict[str, Any]:
    return spec(objects)["containers"][0]


def env(objects: Objects, name: str) -> dict[str, Any]:
    return next(each for each in container(objects)["env"] if each["name"] == name)


def job(objects: Objects) -> dict[str, Any]:
    return training_of(objects).job


def board(objects: Objects) -> dict[str, Any]:
    return objects.get("Deployment", "tensorboard")["spec"]["template"]["spec"]


def drop(objects: Objects, kind: str, name: str) -> None:
    objects.documents.remove(objects.get(kind, name))


def settings(objects: Objects) -> dict[str, str]:
    return next(each["data"] for each in objects.of("ConfigMap") if "EPOCHS" in each["data"])


def policy(objects: Objects, name: str) -> dict[str, Any]:
    return objects.get("NetworkPolicy", name)["spec"]


def served(objects: Objects) -> dict[str, Any]:
    """The specification of what serves the database."""
    (found,) = objects.of("Deployment", "StatefulSet")
    return found["spec"]


def server(objects: Objects) -> dict[str, Any]:
    return served(objects)["template"]["spec"]["containers"][0]


def only(objects: Objects, kind: str) -> dict[str, Any]:
    (found,) = objects.of(kind)
    return found["spec"]


LOCAL_IONQ = "overlays/local-ionq"
SQLITE, POSTGRES = "overlays/store-sqlite", "overlays/store-postgres"

# Rule, overlay, and a change after which the rule must speak up.
MUTATIONS: list[tuple[Callable[..., Any], str, Change]] = [
    (rules.references, "base", lambda o: drop(o, "PersistentVolumeClaim", "train-logs")),
    (rules.references, "base", lambda o: drop(o, "ServiceAccount", "train")),
    (rules.references, "base", lambda o: o.documents.remove(o.of("ConfigMap")[0])),
    (rules.references, "base", lambda o: o.documents.remove(o.of("ConfigMap")[1])),
    (rules.references, "overlays/jobset", lambda o: o.documents.remove(o.of("ConfigMap")[1])),
    (
        rules.references,
        "overlays/ionq",
        lambda o: env(o, "IONQ_API_KEY")["valueFrom"]["secretKeyRef"].update(key="key"),
    ),
    (
        rules.references,
        "overlays/ionq",
        lambda o: env(o, "IONQ_BUDGET_TOKEN")["valueFrom"]["secretKeyRef"].update(key="token"),
    ),
    (rules.budget_account, "overlays/ionq", lambda o: drop(o, "NetworkPolicy", "train-account")),
    (
        rules.budget_account,
        "overlays/ionq",
        lambda o: settings(o).update(IONQ_BUDGET_PATH="/checkpoints/{index}.sqlite"),
    ),
    (
        rules.budget_account,
        "overlays/ionq",
        lambda o: container(o)["env"].remove(env(o, "IONQ_BUDGET_TOKEN")),
    ),
    *(
        (rules.budget_account, "overlays/ionq", change)
        for change in (
            lambda o: settings(o).update(IONQ_BUDGET_ADDRESS=":2224"),
            lambda o: settings(o).update(IONQ_BUDGET_ADDRESS=":2222"),
            lambda o: settings(o).update(IONQ_BUDGET_ADDRESS=":account"),
            lambda o: settings(o).update(QSTORE_IONQ_JOURNAL="/checkpoints/journal.sqlite"),
            lambda o: settings(o).pop("IONQ_BUDGET_USD"),
        )
    ),
    (
        rules.budget_account,
        "overlays/local-ionq",
        lambda o: settings(o).update(QSTORE_IONQ_JOURNAL="/checkpoints/journal.sqlite"),
    ),
    (
        rules.references,
        "base",
        lambda o: container(o)["env"].append(
            {
                "name": "QSTORE_SIMD",
                "valueFrom": {
                    "configMapKeyRef": {
                        "name": o.of("ConfigMap")[0]["metadata"]["name"],
                        "key": "x",
                    }
                },
            }
        ),
    ),
    (
        rules.secrets,
        "base",
        lambda o: o.documents.append(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}}
        ),
    ),
    (rules.secrets, "base", lambda o: settings(o).update(IONQ_API_KEY="k")),
    (rules.volumes, "base", lambda o: spec(o)["volumes"].pop()),
    (rules.volumes, "base", lambda o: container(o)["volumeMounts"].pop()),
    (rules.volumes, "base", lambda o: container(o)["volumeMounts"][1].update(mountPath="/logs")),
    (
        rules.volumes,
        "base",
        lambda o: spec(o)["volumes"].append(copy.deepcopy(spec(o)["volumes"][0])),
    ),
    (
        rules.selectors,
        "base",
        lambda o: o.get("Service", "train")["spec"]["selector"].update(a="b"),
    ),
    (
        rules.selectors,
        "base",
        lambda o: o.get("Service", "train")["spec"]["selector"].pop("app.kubernetes.io/component"),
    ),
    (
        rules.selectors,
        "base",
        lambda o: o.get("Deployment", "tensorboard")["spec"]["selector"].update(
            matchLabels={"a": "b"}
        ),
    ),
    (rules.selectors, "base", lambda o: training_of(o).pod["metadata"].update(labels={"a": "b"})),
    (
        rules.selectors,
        "base",
        lambda o: policy(o, "train")["ingress"][0].update(
            {"from": [{"podSelector": {"matchLabels": {"a": "b"}}}]}
        ),
    ),
    (
        rules.service_ports,
        "base",
        lambda o: o.get("Service", "tensorboard")["spec"]["ports"][0].update(targetPort="web"),
    ),
    (
        rules.service_ports,
        "base",
        lambda o: o.get("Service", "train")["spec"]["ports"][0].update(port=80),
    ),
    (rules.names_of_workers, "base", lambda o: spec(o).update(subdomain="other")),
    (
        rules.names_of_workers,
        "base",
        lambda o: o.get("Service", "train")["spec"].update(clusterIP="10.0.0.1"),
    ),
    (
        rules.names_of_workers,
        "base",
        lambda o: o.get("Service", "train")["spec"].pop("publishNotReadyAddresses"),
    ),
    (
        rules.names_of_workers,
        "base",
        lambda o: env(o, "QSTORE_WORKER_ADDRESS").update(value="train-{index}:2222"),
    ),
    (
        rules.names_of_workers,
        "base",
        lambda o: env(o, "QSTORE_WORKER_ADDRESS").update(value="train-{index}.train:2223"),
    ),
    (
        rules.names_of_workers,
        "overlays/jobset",
        lambda o: env(o, "QSTORE_WORKER_ADDRESS").update(value="train-{index}.train:2222"),
    ),
    (
        rules.names_of_workers,
        "overlays/jobset",
        lambda o: o.of("JobSet")[0]["spec"]["network"].pop("enableDNSHostnames"),
    ),
    (rules.names_of_workers, "overlays/jobset", lambda o: spec(o).update(subdomain="train")),
    (rules.counts, "base", lambda o: job(o).update(completions=3)),
    (rules.counts, "base", lambda o: job(o).update(parallelism=1)),
    (rules.counts, "base", lambda o: job(o).update(completionMode="NonIndexed")),
    (rules.counts, "base", lambda o: env(o, "QSTORE_WORKERS").update(value="4")),
    (rules.counts, "overlays/jobset", lambda o: env(o, "QSTORE_WORKERS").update(value="4")),
    (rules.restarts, "base", lambda o: spec(o).update(restartPolicy="OnFailure")),
    (rules.restarts, "base", lambda o: job(o).pop("podReplacementPolicy")),
    (rules.restarts, "base", lambda o: job(o).update(backoffLimitPerIndex=2)),
    (rules.restarts, "base", lambda o: job(o).update(backoffLimit=5)),
    (rules.restarts, "base", lambda o: job(o).pop("podFailurePolicy")),
    (
        rules.restarts,
        "base",
        lambda o: job(o)["podFailurePolicy"]["rules"][0]["onExitCodes"].update(values=[42]),
    ),
    (
        rules.restarts,
        "base",
        lambda o: job(o)["podFailurePolicy"]["rules"][0]["onExitCodes"].update(values=[76, 78]),
    ),
    (
        rules.restarts,
        "base",
        lambda o: job(o)["podFailurePolicy"]["rules"][0]["onExitCodes"].update(operator="NotIn"),
    ),
    (
        rules.restarts,
        "base",
        lambda o: job(o)["podFailurePolicy"]["rules"][0]["onExitCodes"].update(containerName="x"),
    ),
    (rules.restarts, "base", lambda o: job(o)["podFailurePolicy"]["rules"].pop()),
    (rules.restarts, "base", lambda o: job(o)["podFailurePolicy"]["rules"].pop(1)),
    (rules.restarts, "overlays/jobset", lambda o: job(o).update(backoffLimit=2)),
    (
        rules.restarts,
        "overlays/jobset",
        lambda o: o.of("JobSet")[0]["spec"]["failurePolicy"].update(restartStrategy="Recreate"),
    ),
    (
        rules.restarts,
        "overlays/jobset",
        lambda o: o.of("JobSet")[0]["spec"]["failurePolicy"].update(maxRestarts=0),
    ),
    (
        rules.restarts,
        "overlays/jobset",
        lambda o: o.of("JobSet")[0]["spec"]["failurePolicy"]["rules"].pop(0),
    ),
    (
        rules.restarts,
        "overlays/jobset",
        lambda o: (
            o.of("JobSet")[0]["spec"]["failurePolicy"]["rules"].reverse()
            or o.of("JobSet")[0]["spec"]["failurePolicy"]["rules"][0].pop(
                "onJobFailureMessagePatterns"
            )
        ),
    ),
    (rules.times, "base", lambda o: job(o).pop("activeDeadlineSeconds")),
    (rules.times, "base", lambda o: spec(o).pop("terminationGracePeriodSeconds")),
    (rules.times, "base", lambda o: settings(o).update(START_TIMEOUT="300")),
    (rules.pod_security, "base", lambda o: spec(o).pop("automountServiceAccountToken")),
    (
        rules.pod_security,
        "base",
        lambda o: o.of("ServiceAccount")[0].pop("automountServiceAccountToken"),
    ),
    (rules.pod_security, "base", lambda o: spec(o).update(hostNetwork=True)),
    (rules.pod_security, "base", lambda o: spec(o)["securityContext"].pop("runAsNonRoot")),
    (rules.pod_security, "base", lambda o: spec(o)["securityContext"].pop("seccompProfile")),
    (rules.pod_security, "base", lambda o: spec(o)["securityContext"].update(runAsUser=0)),
    (
        rules.pod_security,
        "base",
        lambda o: container(o)["securityContext"].pop("allowPrivilegeEscalation"),
    ),
    (
        rules.pod_security,
        "base",
        lambda o: container(o)["securityContext"].pop("readOnlyRootFilesystem"),
    ),
    (rules.pod_security, "base", lambda o: container(o)["securityContext"].pop("capabilities")),
    (
        rules.pod_security,
        "base",
        lambda o: container(o)["securityContext"].update(privileged=True),
    ),
    (
        rules.pod_security,
        "base",
        lambda o: spec(o)["volumes"].append({"name": "h", "hostPath": {"path": "/"}}),
    ),
    (rules.pod_security, "base", lambda o: container(o)["ports"][0].update(hostPort=2222)),
    (rules.pod_security, "base", lambda o: board(o)["containers"][0].pop("securityContext")),
    (rules.resources, "base", lambda o: container(o)["resources"]["requests"].update(cpu="1")),
    (rules.resources, "base", lambda o: container(o).pop("resources")),
    (
        rules.resources,
        "base",
        lambda o: [each.pop("memory") for each in container(o)["resources"].values()],
    ),
    (
        rules.resources,
        "overlays/gpu",
        lambda o: container(o)["resources"]["requests"].pop("nvidia.com/gpu"),
    ),
    (rules.resources, "base", lambda o: spec(o)["volumes"][-1].update(emptyDir={})),
    (rules.images, "base", lambda o: container(o).update(image="qstore-tf")),
    (rules.images, "base", lambda o: container(o).update(image="qstore-tf:latest")),
    (rules.images, "base", lambda o: container(o).update(image="registry:5000/qstore-tf")),
    (rules.images, "base", lambda o: container(o).update(imagePullPolicy="Always")),
    (rules.probes, "base", lambda o: board(o)["containers"][0].pop("readinessProbe")),
    (
        rules.probes,
        "base",
        lambda o: board(o)["containers"][0]["livenessProbe"]["httpGet"].update(port=80),
    ),
    (rules.environment, "base", lambda o: settings(o).update(EPOCH="3")),
    (rules.environment, "base", lambda o: settings(o).pop("EPOCHS")),
    (rules.environment, "overlays/ionq", lambda o: settings(o).update(IONQ_BUDGET="3")),
    (rules.environment, "base", lambda o: env(o, "QSTORE_WORKERS").update(name="QSTORE_WORKER")),
    (
        rules.environment,
        "base",
        lambda o: container(o).update(command=["python", "/app/other.py"]),
    ),
    (rules.tensorboard, "base", lambda o: env(o, "LOGS").update(value="/checkpoints")),
    (
        rules.tensorboard,
        "base",
        lambda o: board(o)["containers"][0].update(args=["--logdir=/tmp"]),
    ),
    (
        rules.tensorboard,
        "base",
        lambda o: board(o)["containers"][0]["volumeMounts"][0].pop("readOnly"),
    ),
    (rules.tensorboard, "base", lambda o: board(o)["containers"][0]["args"].pop()),
    (rules.tensorboard, "base", lambda o: env(o, "CHECKPOINTS").update(value="/tmp")),
    (rules.network, "base", lambda o: drop(o, "NetworkPolicy", "train")),
    (rules.network, "base", lambda o: drop(o, "NetworkPolicy", "tensorboard")),
    (rules.network, "base", lambda o: policy(o, "train").update(policyTypes=["Ingress"])),
    (rules.network, "base", lambda o: policy(o, "train")["ingress"][0].pop("from")),
    (
        rules.network,
        "base",
        lambda o: policy(o, "train")["ingress"][0]["from"].append({"podSelector": {}}),
    ),
    (
        rules.network,
        "base",
        lambda o: policy(o, "train")["ingress"][0]["from"].append(
            {"podSelector": {"matchLabels": {"app.kubernetes.io/name": "qstore-tf"}}}
        ),
    ),
    (
        rules.network,
        "base",
        lambda o: policy(o, "train")["ingress"][0]["ports"][0].update(port=2223),
    ),
    (rules.network, "base", lambda o: policy(o, "train")["egress"].pop(0)),
    (rules.network, "base", lambda o: policy(o, "train")["egress"].pop(1)),
    (
        rules.local_ionq,
        LOCAL_IONQ,
        lambda o: settings(o).update(IONQ_API_URL="http://ionq:8042/v0.4"),
    ),
    (
        rules.local_ionq,
        LOCAL_IONQ,
        lambda o: settings(o).update(IONQ_API_URL="http://local-ionq:80/v0.4"),
    ),
    (rules.local_ionq, LOCAL_IONQ, lambda o: drop(o, "NetworkPolicy", "train-local-ionq")),
    (rules.local_ionq, LOCAL_IONQ, lambda o: policy(o, "local-ionq")["ingress"].pop()),
    (rules.local_ionq, LOCAL_IONQ, lambda o: policy(o, "local-ionq")["ingress"][0].pop("from")),
    (
        rules.local_ionq,
        LOCAL_IONQ,
        lambda o: policy(o, "local-ionq")["ingress"][0]["from"].append({"podSelector": {}}),
    ),
    (rules.local_ionq, LOCAL_IONQ, lambda o: policy(o, "local-ionq")["egress"].append({})),
    (rules.network, LOCAL_IONQ, lambda o: drop(o, "NetworkPolicy", "local-ionq")),
    (rules.selectors, SQLITE, lambda o: only(o, "Service")["selector"].clear()),
    (rules.selectors, SQLITE, lambda o: served(o)["selector"]["matchLabels"].update(a="b")),
    (rules.probes, SQLITE, lambda o: server(o).pop("readinessProbe")),
    (
        rules.references,
        POSTGRES,
        lambda o: server(o)["env"][1]["valueFrom"]["secretKeyRef"].update(key="url"),
    ),
    (serving.storage, SQLITE, lambda o: server(o).update(args=["/tmp/store.qstore"])),
    (serving.storage, SQLITE, lambda o: server(o)["args"].pop(0)),
    (serving.storage, SQLITE, lambda o: server(o)["volumeMounts"][0].update(readOnly=True)),
    (
        serving.storage,
        SQLITE,
        lambda o: only(o, "PersistentVolumeClaim").update(accessModes=["ReadWriteMany"]),
    ),
    (serving.storage, SQLITE, lambda o: served(o).update(replicas=2)),
    (serving.storage, SQLITE, lambda o: o.get("StatefulSet", "store").update(kind="Deployment")),
    (serving.storage, POSTGRES, lambda o: server(o).update(args=["postgresql://u:p@db/qstore"])),
    (serving.storage, POSTGRES, lambda o: server(o)["env"][1].update(valueFrom={})),
    (serving.api_keys, SQLITE, lambda o: server(o)["env"].pop(0)),
    (serving.api_keys, POSTGRES, lambda o: server(o)["env"].pop(0)),
    (serving.reach, SQLITE, lambda o: drop(o, "NetworkPolicy", "store")),
    (serving.reach, SQLITE, lambda o: policy(o, "store").update(policyTypes=["Ingress"])),
    (serving.reach, SQLITE, lambda o: policy(o, "store")["ingress"].pop()),
    (serving.reach, SQLITE, lambda o: policy(o, "store")["ingress"][0].pop("from")),
    (
        serving.reach,
        SQLITE,
        lambda o: policy(o, "store")["ingress"][0]["from"].append({"namespaceSelector": {}}),
    ),
    (
        serving.reach,
        SQLITE,
        lambda o: policy(o, "store")["ingress"][0]["ports"][0].update(port=80),
    ),
    (serving.reach, SQLITE, lambda o: policy(o, "store")["egress"].append({})),
    (serving.reach, POSTGRES, lambda o: drop(o, "NetworkPolicy", "store-postgres")),
    (serving.reach, POSTGRES, lambda o: policy(o, "store-postgres")["egress"].pop()),
    (serving.reach, POSTGRES, lambda o: policy(o, "store-postgres")["egress"][0].pop("ports")),
    (serving.scaling, POSTGRES, lambda o: drop(o, "PodDisruptionBudget", "store")),
    (serving.scaling, POSTGRES, lambda o: only(o, "PodDisruptionBudget").update(maxUnavailable=0)),
    (
        serving.scaling,
        POSTGRES,
        lambda o: only(o, "PodDisruptionBudget")["selector"]["matchLabels"].update(a="b"),
    ),
    (serving.scaling, POSTGRES, lambda o: only(o, "HorizontalPodAutoscaler").pop("minReplicas")),
    (
        serving.scaling,
        POSTGRES,
        lambda o: only(o, "HorizontalPodAutoscaler")["scaleTargetRef"].update(name="x"),
    ),
    (serving.scaling, POSTGRES, lambda o: served(o).update(replicas=2)),
]


@pytest.mark.parametrize(
    ("rule", "overlay", "change"),
    MUTATIONS,
    ids=[f"{number}-{rule.__name__}" for number, (rule, _, _) in enumerate(MUTATIONS)],
)
def test_a_rule_notices(rendered: Render, rule: rules.Rule, overlay: str, change: Change) -> None:
    objects = rendered(overlay)
    assert list(rule(objects)) == []
    change(objects)
    assert list(rule(objects)) != []


def test_every_rule_has_something_to_notice() -> None:
    assert {rule for rule, _, _ in MUTATIONS} == set(rules.RULES)


SCHEMA_MUTATIONS: list[tuple[str, Change]] = [
    ("base", lambda o: job(o).update(completion=2)),
    ("base", lambda o: container(o).update(comand=["python"])),
    ("base", lambda o: job(o).update(completions="2")),
    ("base", lambda o: o.get("Service", "train")["spec"].update(ports=2222)),
    (POSTGRES, lambda o: only(o, "HorizontalPodAutoscaler").update(minReplica=2)),
    (SQLITE, lambda o: served(o).update(replica=1)),
    ("overlays/jobset", lambda o: job(o).update(completion=2)),
    ("overlays/jobset", lambda o: container(o).update(comand=["python"])),
    ("overlays/jobset", lambda o: o.of("JobSet")[0]["spec"].update(failPolicy={"maxRestarts": 1})),
    (
        "overlays/jobset",
        lambda o: o.of("JobSet")[0]["spec"]["failurePolicy"].update(maxRestarts="many"),
    ),
    ("overlays/jobset", lambda o: o.of("JobSet")[0].update(apiVersion="jobset.x-k8s.io/v1")),
]


@pytest.mark.slow
@pytest.mark.parametrize(("overlay", "change"), SCHEMA_MUTATIONS)
def test_schemas_notice_misspelt_fields_and_wrong_types(
    rendered: Render, overlay: str, change: Change
) -> None:
    objects = rendered(overlay)
    change(objects)
    assert list(schemas.problems(objects, "1.34"))


def test_the_exit_codes_are_those_of_the_package() -> None:
    assert ExitCode.PERMANENT == rules.PERMANENT
    assert ExitCode.STOPPED == rules.STOPPED
    assert {ExitCode.PEER_LOST, ExitCode.START_TIMEOUT} <= rules.COUNTED


@pytest.mark.slow
def test_the_command_checks_folders(
    rendered: Render, capsys: pytest.CaptureFixture[str], tmp_path: Any
) -> None:
    assert command.main([str(render.FOLDER / "base")]) == 0
    assert "0 problems" in capsys.readouterr().out
    base = render.FOLDER / "base"
    (tmp_path / "base").symlink_to(base)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "kustomization.yaml").write_text(
        "resources: [../base]\npatches:\n- target: {kind: Job}\n  patch: |-\n"
        "    - {op: replace, path: /spec/completions, value: 4}\n"
    )
    assert command.main([str(tmp_path / "mine")]) == 1
    assert "counts: the number of workers is not the same everywhere" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "a: [", "- 1", "kind: Job", "a: 1\n---\nb: 2"])
def test_what_is_no_manifest_is_refused(text: str) -> None:
    with pytest.raises(ManifestError):
        load(text)


def test_names_are_unique() -> None:
    one = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"
    with pytest.raises(ManifestError, match="Two objects"):
        load(f"{one}---\n{one}")


def test_the_overlay_in_the_readme_is_a_good_one(rendered: Render, tmp_path: Path) -> None:
    readme = (render.FOLDER / "README.md").read_text(encoding="utf-8")
    block = readme[readme.index("```yaml\n") + 8 :]
    mine = tmp_path / "overlays" / "mine"
    mine.mkdir(parents=True)
    shutil.copytree(render.FOLDER / "base", tmp_path / "base")
    shutil.copy(render.FOLDER / "base" / "train.py", mine)
    (mine / "kustomization.yaml").write_text(block[: block.index("```")], encoding="utf-8")
    objects = load(render.render(mine))
    assert rules.problems(objects) == []
    assert training_of(objects).workers == 4
    assert settings(objects)["RUN"] == "first"
    assert container(objects)["image"] == "registry.example.com/team/qstore-tf:0.1.0"
