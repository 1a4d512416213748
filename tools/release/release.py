#!/usr/bin/env python3
"""Makes a release of the commit that is checked out: packages, binaries, a bill of materials and checksums, the same bytes in every clone."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import archives
import materials

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "artifacts" / "release"
RID = "linux-x64"
PROJECTS = ["Kvasir.Kernels", "Kvasir", "Kvasir.Evaluation", "Kvasir.Server", "Kvasir.Cli"]
LEVELS = ["x86-64-v3", "x86-64-v4"]
EXECUTABLE = "Kvasir.Cli"


class Refusal(Exception):
    """What is missing, in one line."""


def main():
    arguments = read_arguments()
    try:
        commit, seconds = committed()
        require_tools(arguments.aot)
        out = Path(arguments.output).resolve()
        # All of the working folder is emptied; anybody else's is not.
        if WORK not in out.parents and out.exists() and any(out.iterdir()):
            raise Refusal("%s is not empty; a release has a folder of its own" % out)
        make(Build(WORK, commit, arguments.repository), out, seconds, arguments.aot)
    except Refusal as problem:
        sys.exit("release: %s" % problem)


def read_arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", nargs="?", default=str(WORK / "out"), help="folder for what is made [default: artifacts/release/out, emptied before]")
    parser.add_argument("--repository", metavar="URL", default="", help="address that the packages name as their source's")
    parser.add_argument("--without-aot", dest="aot", action="store_false", help="no binaries compiled ahead of time: they need clang or gcc")
    return parser.parse_args()


def committed():
    """The commit and its time. A release of anything that is not committed could not be made again."""
    if shutil.which("git") is None:
        raise Refusal("git is missing, which knows version and commit (Debian: apt-get install git)")
    changed = git("status", "--porcelain").splitlines()
    if changed:
        raise Refusal("%d files differ from the commit, %s first; commit or stash them" % (len(changed), changed[0][3:]))
    return git("rev-parse", "HEAD").strip(), int(os.environ.get("SOURCE_DATE_EPOCH") or git("log", "-1", "--format=%ct"))


def git(*words):
    done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    if done.returncode != 0:
        raise Refusal("git %s failed: %s" % (words[0], (done.stderr.strip() or "no message").splitlines()[0]))
    return done.stdout


def require_tools(aot):
    if shutil.which("dotnet") is None:
        raise Refusal("dotnet is missing: any SDK of .NET 10")
    if aot and not any(map(shutil.which, ("clang", "gcc"))):
        raise Refusal("clang or gcc is missing, which links the binaries compiled ahead of time (Debian: apt-get install gcc libc6-dev), or give --without-aot")


class Build:
    """Runs of dotnet on this commit, with all that they leave behind in one folder, which begins empty."""

    def __init__(self, folder, commit, repository):
        shutil.rmtree(folder, ignore_errors=True)
        self.folder = folder
        self.commit = commit
        self.properties = ["-p:ContinuousIntegrationBuild=true", "-p:RepositoryUrl=" + repository]
        self.environment = dict(os.environ, DOTNET_CLI_TELEMETRY_OPTOUT="1", DOTNET_NOLOGO="1", ArtifactsPath=str(folder / "build"), LC_ALL="C", TZ="UTC")

    def dotnet(self, step, *words):
        print("release: %s" % step, flush=True)
        done = subprocess.run(["dotnet", *map(str, words)], cwd=ROOT, env=self.environment, capture_output=True, text=True)
        if done.returncode != 0:
            sys.stderr.write(done.stdout + done.stderr)
            raise Refusal("%s failed: dotnet %s" % (step, " ".join(map(str, words))))
        return done.stdout

    def project(self, folder, step, verb, name, *words):
        """Gives the folder with what was made."""
        output = self.folder / folder
        self.dotnet(step, verb, ROOT / "src" / name, "-c", "Release", "-v", "quiet", "-o", output, *self.properties, *words)
        return output

    def pack(self):
        return [self.project("packages", "package of %s" % name, "pack", name) for name in PROJECTS][0]

    def runtime_version(self):
        """Of the runtime that binaries carry."""
        config = self.folder / "build" / "bin" / EXECUTABLE / ("release_" + RID) / (EXECUTABLE + ".runtimeconfig.json")
        return json.loads(config.read_text(encoding="utf-8"))["runtimeOptions"]["includedFrameworks"][0]["version"]

    def runtime_notices(self):
        """The licences of what that runtime is made of."""
        assets = json.loads((self.folder / "build" / "obj" / EXECUTABLE / "project.assets.json").read_text(encoding="utf-8"))
        for folder in assets["packageFolders"]:
            notices = Path(folder) / ("microsoft.netcore.app.runtime." + RID) / self.runtime_version() / "THIRD-PARTY-NOTICES.TXT"
            if notices.is_file():
                return notices
        raise Refusal("THIRD-PARTY-NOTICES.TXT of the runtime pack %s is in none of %s" % (self.runtime_version(), ", ".join(assets["packageFolders"])))

    def publish(self, name, *words):
        # What was compiled ahead of time for one instruction set is no part of the next.
        for native in (self.folder / "build" / "obj" / EXECUTABLE).glob("*/native"):
            shutil.rmtree(native)
        return self.project(name, "binary %s" % name, "publish", EXECUTABLE, "-r", RID, *words)


def make(build, out, seconds, aot):
    packages = build.pack()
    version = next(packages.glob("Kvasir.Kernels.*.nupkg")).name[len("Kvasir.Kernels."):-len(".nupkg")]
    published = {RID: build.publish(RID)}
    for level in LEVELS if aot else []:
        name = "%s-aot-%s" % (RID, level[len("x86-64-"):])
        published[name] = build.publish(name, "-p:PublishAot=true", "-p:IlcInstructionSet=" + level)
    out.mkdir(parents=True, exist_ok=True)
    for package in sorted(packages.glob("*.*nupkg")):
        archives.normalise_package(package, out / package.name, seconds)
    for name, folder in published.items():
        top = "kvasir-%s-%s" % (version, name)
        archives.write_tar(out / (top + ".tar.gz"), top, binary_files(folder, build.runtime_notices()), seconds)
    bill = materials.bill(build, ROOT / "src" / EXECUTABLE / (EXECUTABLE + ".csproj"), version, seconds)
    (out / ("kvasir-%s.cdx.json" % version)).write_text(bill, encoding="utf-8")
    archives.write_checksums(out)
    for file in sorted(out.iterdir()):
        print("%12d  %s" % (file.stat().st_size, file.name))
    print("release: %s of commit %s is in %s" % (version, build.commit[:12], out))


def binary_files(folder, notices):
    """What a binary's archive holds: path inside, file."""
    files = [("kvasir", folder / EXECUTABLE), ("THIRD-PARTY-NOTICES-RUNTIME.txt", notices), *((name, ROOT / name) for name in ("LICENSE", "README.md", "THIRD-PARTY-NOTICES.md"))]
    models = sorted(path for path in (folder / "models").rglob("*") if path.is_file())
    if not models:
        raise Refusal("no models lie beside the binary in %s" % folder)
    return files + [(str(path.relative_to(folder)), path) for path in models]


if __name__ == "__main__":
    main()
