"""`python -m k8s.checks FOLDER...`: renders Kustomizations and says what is wrong with them."""

import sys
from pathlib import Path

from k8s.checks import render, rules, schemas
from k8s.objects import load


def main(folders: list[str]) -> int:
    """Checks `folders`, or all of ours; returns the exit code."""
    found = 0
    for folder in map(Path, folders or [str(render.FOLDER / each) for each in render.OVERLAYS]):
        objects = load(render.render(folder))
        problems = rules.problems(objects)
        if schemas.available():
            problems += [
                problem
                for version in schemas.VERSIONS
                for problem in schemas.problems(objects, version)
            ]
        else:
            print("Schemas are not checked: pip install kubernetes-validate kubeflow-trainer-api")
        print(f"{folder}: {len(objects.documents)} objects, {len(problems)} problems")
        print("".join(f"  {problem}\n" for problem in problems), end="")
        found += len(problems)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
