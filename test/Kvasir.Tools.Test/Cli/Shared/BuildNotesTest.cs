using System.Diagnostics;
using System.Text.Json.Nodes;
using Kvasir.Cli;
using Kvasir.Cli.Shared;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Machine;

namespace Kvasir.Tools.Test.Cli.Shared;

/// <summary>What a build or its settings leave unused of the processor is said. Without AVX2 all kernels are narrow, and that is said unasked.</summary>
public sealed class BuildNotesTest
{
    private const string Switch = "DOTNET_EnableAVX2";

    private const string Warning = "kvasir: warning: this process may not use AVX2, which this processor has, and takes many times as long; see DOTNET_EnableAVX2 and DOTNET_EnableHWIntrinsic\n";

    private static bool HasAvx2 => Processor.InstructionSets.Concat(Processor.UnusedInstructionSets).Contains("AVX2");

    [Fact]
    [Trait("Needs", "Minutes")]
    public void TheVersionNamesWhatTheProcessorHasAndTheProcessMayNotUse()
    {
        var (plain, narrow) = (Run(Switch, "1", "--version"), Run(Switch, "0", "--version"));
        Assert.Equal(HasAvx2, narrow.Output.Contains("from using AVX2, FMA, ", StringComparison.Ordinal) && narrow.Output.EndsWith("which this processor has\n", StringComparison.Ordinal));
        Assert.StartsWith(plain.Output.Split('\n')[0] + "\n", narrow.Output, StringComparison.Ordinal);
        Assert.Equal(("", ""), (plain.Error, narrow.Error));
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void WithoutAvx2EveryVerbWarnsUnlessItIsQuiet()
    {
        string[] run = ["run", "stories260K", "Once upon a time", "--temperature", "0", "--max-tokens", "8"];
        var (warned, quiet) = (Run(Switch, "0", run), Run(Switch, "0", [.. run, "-q"]));
        Assert.Equal(HasAvx2, warned.Error.StartsWith(Warning, StringComparison.Ordinal));
        Assert.Equal(("", ", there was a little girl\n"), (quiet.Error, quiet.Output));
        Assert.Equal(HasAvx2 ? Warning : "", Run(Switch, "0", "policies").Error);
        Assert.Equal("", Run(Switch, "0", "run", "--help").Error);
        Assert.Equal(HasAvx2, Run("DOTNET_EnableHWIntrinsic", "0", run).Error.StartsWith(Warning.Replace("use AVX2", "use SSE4.2", StringComparison.Ordinal), StringComparison.Ordinal));
    }

    [Fact]
    public void AWarningStandsBeforeAnythingElse()
    {
        var shell = new Shell(new StringReader(""), new StringWriter(), new StringWriter()) { Warning = "warning: slow" };
        Assert.Equal("kvasir: warning: slow\n", CliRun.With(shell, "policies").Error);
        Assert.Equal("", CliRun.With(shell with { Error = new StringWriter() }, "run", "stories260K", "hi", "--max-tokens", "1", "-q").Error);
        Assert.Equal("", CliRun.With(shell with { Error = new StringWriter() }, "--help").Error);
    }

    [Fact]
    public void WhatIsUsedAndUnusedTogetherIsWhatTheProcessorHas()
    {
        Assert.Empty(Processor.InstructionSets.Intersect(Processor.UnusedInstructionSets));
        Assert.Equal(Processor.UnusedInstructionSets.Count, Processor.UnusedInstructionSets.Distinct().Count());
        if (!OperatingSystem.IsLinux() || Processor.InstructionSets.Contains("AdvSimd"))
            return;
        var flags = File.ReadLines("/proc/cpuinfo").First(static line => line.StartsWith("flags", StringComparison.Ordinal)).Split(' ');
        var names = new Dictionary<string, string>
        {
            ["avx2"] = "AVX2",
            ["fma"] = "FMA",
            ["avx_vnni"] = "AVX-VNNI",
            ["avx512f"] = "AVX512F",
            ["avx512bw"] = "AVX512BW",
            ["avx512vbmi"] = "AVX512VBMI",
            ["avx512_vnni"] = "AVX512-VNNI",
            ["avx512_vpopcntdq"] = "AVX512-VPOPCNTDQ",
            ["avx512_bf16"] = "AVX512-BF16",
            ["amx_bf16"] = "AMX-BF16",
        };
        Assert.Equal(names.Where(name => flags.Contains(name.Key)).Select(static name => name.Value).Order(), Processor.InstructionSets.Concat(Processor.UnusedInstructionSets).Except(["SSE4.2"]).Order());
    }

    // How a table says it: BenchTableTest. A machine is measured for seconds, where nothing is wide.
    [Fact]
    [Trait("Needs", "Minutes")]
    public void TheMachinesReportHasWhatIsUnused()
    {
        var run = Run(Switch, "0", "bench", "stories260K", "--prefill", "8", "--decode", "2", "--repeat", "1", "-q", "--json");
        var unused = JsonNode.Parse(run.Output)!["machine"]!["unusedInstructionSets"];
        Assert.Equal(HasAvx2, unused?.AsArray().Any(static set => (string?)set == "AVX2") == true);
    }

    [Fact]
    public void ALengthOfAutoHoldsForTheInstructionsItWasMeasuredWith()
    {
        using var model = Generation.LoadStories();
        Assert.Contains($" {string.Join('+', Processor.InstructionSets)} ", AutoAttention.Key(model.Config, KvFormat.BF16), StringComparison.Ordinal);
    }

    private static (string Output, string Error) Run(string variable, string value, params string[] args)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment[variable] = value;
        start.ArgumentList.Add(typeof(Program).Assembly.Location);
        foreach (var arg in args)
            start.ArgumentList.Add(arg);
        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (output, error.Result);
    }
}
