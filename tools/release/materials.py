"""The bill of materials, in CycloneDX's JSON: what the tool and its binaries are made of."""

import json
import time


def bill(build, project, version, seconds):
    """What cyclonedx says of a project that `build` has restored, with the runtime that binaries carry, and with the commit's time as its own."""
    build.dotnet("bill of materials", "tool", "restore")
    build.dotnet(
        "bill of materials, written", "dotnet-CycloneDX", project, "--recursive", "--output-format", "Json", "--no-serial-number", "--disable-package-restore", "--exclude-dev",
        "--base-intermediate-output-path", build.folder / "build" / "obj" / project.stem, "--set-name", "kvasir", "--set-version", version, "--output", build.folder)
    document = json.loads((build.folder / "bom.json").read_text(encoding="utf-8"))
    document["metadata"]["timestamp"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))
    document["metadata"]["properties"] = [{"name": "kvasir:commit", "value": build.commit}, {"name": "kvasir:sdk", "value": build.dotnet("SDK", "--version").strip()}]
    document["metadata"]["component"]["licenses"] = [{"license": {"id": "MIT"}}]
    runtime = runtime_component(build.runtime_version())
    document["components"].append(runtime)
    document["components"].sort(key=lambda component: component["bom-ref"])
    whole = document["metadata"]["component"]["bom-ref"]
    for entry in document["dependencies"]:
        if entry["ref"] == whole:
            entry["dependsOn"] = sorted(entry["dependsOn"] + [runtime["bom-ref"]])
    document["dependencies"].append({"ref": runtime["bom-ref"], "dependsOn": []})
    document["dependencies"].sort(key=lambda entry: entry["ref"])
    return json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def runtime_component(version):
    """The runtime, which no project names: it comes with the SDK."""
    name = "Microsoft.NETCore.App.Runtime.linux-x64"
    purl = "pkg:nuget/%s@%s" % (name, version)
    return {"type": "library", "bom-ref": purl, "purl": purl, "name": name, "version": version, "scope": "required", "licenses": [{"license": {"id": "MIT"}}]}
