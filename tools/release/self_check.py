#!/usr/bin/env python3
"""Runs the bundled models from every artefact of a release, as somebody does who has nothing else of Kvasir."""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STORY = ["run", "stories260K", "Once upon a time", "--temperature", "0", "--max-tokens", "40", "--quiet"]
TEXT = ", there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball."
VERBS = ["run", "chat", "serve", "inspect", "policies", "bench", "calibrate", "eval", "eval agree", "eval ppl", "tune", "demo"]
PROJECT = """<Project Sdk="Microsoft.NET.Sdk">
  <PropertyGroup>
    <OutputType>Exe</OutputType>
    <TargetFramework>net10.0</TargetFramework>
    <Nullable>enable</Nullable>
    <ImplicitUsings>enable</ImplicitUsings>
  </PropertyGroup>
  <ItemGroup>
    <PackageReference Include="Kvasir" Version="%(version)s" />
    <PackageReference Include="Kvasir.Evaluation" Version="%(version)s" />
  </ItemGroup>
</Project>
"""
TASKS = """internal static class Tasks
{
    public static int Count => Kvasir.Evaluation.TaskCatalog.Entries.Count;
}
"""


class Failure(Exception):
    """What an artefact does not do, in one line."""


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("release", nargs="?", default=str(ROOT / "artifacts" / "release" / "out"), help="folder that release.py has filled [default: artifacts/release/out]")
    release = Path(parser.parse_args().release).resolve()
    with tempfile.TemporaryDirectory(prefix="kvasir-check-") as place:
        try:
            check(release, Path(place))
        except Failure as problem:
            sys.exit("self_check: %s" % problem)
    print("self_check: every artefact runs")


def check(release, place):
    if not (release / "SHA256SUMS").is_file():
        raise Failure("%s has no SHA256SUMS; release.py makes one" % release)
    version = next(release.glob("Kvasir.Kernels.*.nupkg")).name[len("Kvasir.Kernels."):-len(".nupkg")]
    check_sums(release)
    check_bill(release / ("kvasir-%s.cdx.json" % version))
    for archive in sorted(release.glob("*.tar.gz")):
        check_binary(archive, place, version)
    check_tool(release, place, version)
    check_library(release, place, version)


def check_sums(release):
    named = dict(reversed(line.split("  ", 1)) for line in (release / "SHA256SUMS").read_text(encoding="ascii").splitlines())
    there = {file.name for file in release.iterdir()} - {"SHA256SUMS"}
    if there != set(named):
        raise Failure("SHA256SUMS and the folder differ by %s" % ", ".join(sorted(there ^ set(named))))
    for name, digest in named.items():
        if hashlib.sha256((release / name).read_bytes()).hexdigest() != digest:
            raise Failure("%s is not what SHA256SUMS says" % name)
    print("checksums: %d files" % len(named))


def check_bill(path):
    names = [component["name"] for component in json.loads(path.read_text(encoding="utf-8"))["components"]]
    for name in ("Iced", "Microsoft.Extensions.AI.Abstractions", "System.CommandLine", "Microsoft.NETCore.App.Runtime.linux-x64"):
        if name not in names:
            raise Failure("%s does not name %s" % (path.name, name))
    print("bill of materials: %s" % ", ".join(names))


def check_binary(archive, place, version):
    with tarfile.open(archive) as tar:
        tar.extractall(place, filter="data")
    binary = place / archive.name[:-len(".tar.gz")] / "kvasir"
    if "-v4" in archive.name and " avx512bw " not in Path("/proc/cpuinfo").read_text(encoding="ascii"):
        refused = run([binary, "--version"])
        if refused.returncode == 0 or "instruction" not in refused.stderr:
            raise Failure("%s does not say that this machine has no AVX-512" % archive.name)
        print("%s: refused here, where there is no AVX-512" % archive.name)
        return
    # Who puts a link to it on the path finds the models all the same.
    link = place / "bin" / "kvasir"
    link.parent.mkdir(exist_ok=True)
    link.unlink(missing_ok=True)
    link.symlink_to(binary)
    check_command(archive.name, [link], version, chatting_model(place))


def chatting_model(place):
    """The bundled model that answers questions, with a template."""
    folder = place / "chatting"
    if not folder.exists():
        shutil.copytree(ROOT / "assets" / "needle", folder)
        (folder / "chat_template.jinja").write_text("{{ messages[-1].content }}", encoding="utf-8")
    return folder


def check_tool(release, place, version):
    tools = place / "tools"
    done = run(["dotnet", "tool", "install", "Kvasir.Tool", "--tool-path", tools, "--version", version, "--add-source", release, "--no-cache"], NUGET_PACKAGES=str(place / "packages"))
    if done.returncode != 0:
        raise Failure("the tool's package could not be installed: %s" % (done.stderr or done.stdout).strip())
    check_command("tool package", [tools / "kvasir"], version, chatting_model(place))


def check_command(name, command, version, chatting):
    """The ways through the command line that a user takes first, each with what it has to give."""
    expect(name, [*command, "--version"], 0, "kvasir %s\n" % version)
    expect(name, command, 0, "Examples:")
    expect(name, [*command, "rnu"], 2, "", "did you mean run?")
    for verb in VERBS:
        expect(name, [*command, *verb.split(), "--help"], 0, "--help")
    if expect(name, [*command, *STORY], 0, TEXT).stdout.strip() != TEXT.strip():
        raise Failure("%s goes on behind the known text" % name)
    answer = json.loads(expect(name, [*command, *STORY, "--json"], 0, "{").stdout)
    if answer["text"].strip() != TEXT.strip():
        raise Failure("%s: another text in JSON: %r" % (name, answer["text"]))
    expect(name, [*command, "inspect", "needle", "--json"], 0, '"needle"')
    expect(name, [*command, "policies", "--json"], 0, '"guarded"')
    expect(name, [*command, "chat", "stories260K", "-q"], 1, "", "template", given="hello\n")
    expect(name, [*command, "chat", chatting, "-q", "--temperature", "0", "--max-tokens", "2"], 0, "42", given=" key capel 42 . question : key capel\n")
    expect(name, [*command, "eval", "needle", "needle", "--context", "1k", "--min-context", "0", "--attention", "psa", "--samples", "2", "--quiet"], 0, "psa")
    expect(name, [*command, "bench", "stories260K", "--prefill", "64", "--decode", "8", "--repeat", "1", "--quiet"], 0, "floor")
    demo = json.loads(expect(name, [*command, "demo", "--context", "2k", "--questions", "2", "--json", "--quiet"], 0, "{").stdout)
    wrong = [policy for policy in demo["policies"] if policy["right"] != policy["asked"]]
    if wrong:
        raise Failure("%s: demo answers wrongly: %s" % (name, wrong))
    print("%s: runs; starts in %.0f ms, with 40 tokens of stories260K %.0f ms (best of 5)" % (name, best([*command, "--version"]), best([*command, *STORY])))


def check_library(release, place, version):
    program = place / "program"
    program.mkdir()
    (program / "Program.csproj").write_text(PROJECT % {"version": version}, encoding="utf-8")
    (program / "Tasks.cs").write_text(TASKS, encoding="utf-8")
    shutil.copy(ROOT / "samples" / "Chat" / "Program.cs", program)
    environment = {"NUGET_PACKAGES": str(place / "packages")}
    done = run(["dotnet", "build", program, "-c", "Release", "-o", program / "out", "-p:RestoreAdditionalProjectSources=%s" % release], **environment)
    if done.returncode != 0 or " 0 Warning(s)" not in done.stdout:
        raise Failure("a program with the library packages does not build cleanly: %s" % done.stdout.strip())
    expect("library packages", ["dotnet", program / "out" / "Program.dll", "stories260K", "Once upon a time"], 0, TEXT)
    print("library packages: a program builds and runs")


def expect(name, command, code, output, error="", given=""):
    done = run(command, given)
    shown = " ".join(map(str, command[1:] or command))
    if done.returncode != code:
        raise Failure("%s: '%s' ends with %d, not %d: %s" % (name, shown, done.returncode, code, (done.stderr or done.stdout).strip()[:500]))
    if output not in done.stdout or error not in done.stderr:
        raise Failure("%s: '%s' writes %r and %r, without %r" % (name, shown, done.stdout[:500], done.stderr[:500], output or error))
    return done


def run(command, given="", **environment):
    # Far from the repository, so that nothing of it is found by chance.
    return subprocess.run(
        list(map(str, command)), input=given, capture_output=True, text=True, check=False, cwd=tempfile.gettempdir(), timeout=600,
        env=dict(os.environ, DOTNET_CLI_TELEMETRY_OPTOUT="1", DOTNET_NOLOGO="1", **environment))


def best(command):
    times = []
    for _ in range(5):
        start = time.monotonic()
        run(command)
        times.append(time.monotonic() - start)
    return min(times) * 1000


if __name__ == "__main__":
    main()
