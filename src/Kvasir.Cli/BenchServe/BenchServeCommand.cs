using System.Text.Json.Nodes;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Shared.Remote;
using Kvasir.Cli.Terminal;

namespace Kvasir.Cli.BenchServe;

/// <summary><c>kvasir bench serve</c>: how fast a server answers under load, Kvasir's or another with OpenAI's API.</summary>
internal sealed class BenchServeCommand(Shell shell) : Verb
{
    private static readonly SwitchFlag Json = OutputFlags.Json("Write one JSON object in the names of vLLM's serving benchmark instead of the table");

    public override string Name => "bench serve";

    public override string Summary => "Send a server with OpenAI's API a load of requests, and measure when its answers come";

    public override IReadOnlyList<Operand> Operands => [RemoteFlags.Url];

    public override IReadOnlyList<FlagGroup> Flags => [.. BenchServeFlags.Groups, new("Output", Json, OutputFlags.Quiet)];

    public override IReadOnlyList<string> Examples =>
    [
        "kvasir bench serve http://localhost:8080",
        "kvasir bench serve localhost:8080 --num-prompts 64 --max-concurrency 16 --input-len 1k --output-len 128",
        "kvasir bench serve localhost:8080 --request-rate 2 --goodput ttft:2000 --goodput tpot:100 --probe",
        "kvasir bench serve localhost:8080 --num-prompts 8 --turns 4 --prefix-len 8k --json | jq .mean_warm_ttft_ms",
    ];

    public override string Notes => """
        Times are those of vLLM's benchmark: to the first piece of an answer, between pieces, to the last;
        percentiles are interpolated, and a request that fails is no good one. Answers have --output-len
        tokens: the end of the text is ignored, and tokens are the most probable ones.
        Ctrl-C ends with what was seen until then.
        """;

    public override int Run(TypedCommand typed)
    {
        shell.RequireOutput();
        using var cancel = new CancellationTokenSource();
        var isMeasured = false;
        shell.Interrupts.Guard(cancel.Cancel, () => isMeasured = MeasureAsync(typed, cancel.Token).GetAwaiter().GetResult());
        if (shell.Interrupts.Code != ExitCode.Ok)
            return shell.Interrupts.Code;
        return isMeasured ? ExitCode.Ok : ExitCode.Failed;
    }

    /// <summary>False when no request was answered.</summary>
    private async Task<bool> MeasureAsync(TypedCommand typed, CancellationToken cancellation)
    {
        var plan = BenchServeFlags.Read(typed);
        using var server = new RemoteServer(RemoteFlags.Address(typed.Get(RemoteFlags.Url)));
        var model = typed.Find(BenchServeFlags.Model) ?? (await server.ModelsAsync(cancellation).ConfigureAwait(false)).Names[0];
        var run = new LoadRun(plan, server, model, new LoadTexts(plan.Seed, await TokensPerWordAsync(server, model, cancellation).ConfigureAwait(false)));
        LoadSeen seen;
        using (new ProgressLine(shell, typed.Is(OutputFlags.Quiet) || !shell.ErrorIsTerminal, () => run.Progress))
            seen = await run.RunAsync(cancellation).ConfigureAwait(false);
        var summary = new LoadSummary(plan, seen);
        var report = new LoadReport(summary, server.Address.GetLeftPart(UriPartial.Authority), model, cancellation.IsCancellationRequested);
        if (typed.Is(Json))
            shell.Output.WriteLine(report.Json());
        else
            report.Write(shell.Output);
        return summary.Completed.Length > 0;
    }

    // Servers that cut texts into tokens for whoever asks do so here; of others the usual is supposed, and their usage says what it came to.
    private static async Task<double> TokensPerWordAsync(RemoteServer server, string model, CancellationToken cancellation)
    {
        var (text, words) = LoadTexts.Sample();
        try
        {
            var answer = await server.SendAsync(
                HttpMethod.Post, "tokenize", new JsonObject { ["model"] = model, ["content"] = text }, cancellation).ConfigureAwait(false);
            return answer["tokens"] is JsonArray { Count: > 0 } tokens ? (double)tokens.Count / words : LoadTexts.UsualTokensPerWord;
        }
        catch (KvasirException)
        {
            return LoadTexts.UsualTokensPerWord;
        }
    }
}
