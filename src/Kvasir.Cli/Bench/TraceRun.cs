using System.Globalization;
using Kvasir.Attention;
using Kvasir.Cli.Shared;
using Kvasir.Cli.Shared.Flags;
using Kvasir.Cli.Terminal;
using Kvasir.Evaluation;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Measurement;

namespace Kvasir.Cli.Bench;

/// <summary>
/// <c>kvasir bench --trace</c>: which pages a policy reads of a text, step after step, and what of them memory of some size would find under each order.
/// </summary>
/// <param name="Policy">Whose choice is recorded.</param>
/// <param name="Tokens">Of the text.</param>
/// <param name="Steps">Tokens that are generated behind it.</param>
/// <param name="Seed">Of the text, and of what is generated.</param>
internal sealed record TraceRun(AttentionPolicy Policy, int Tokens, int Steps, ulong Seed)
{
    /// <summary>Steps where nothing is said.</summary>
    public const int UsualSteps = 150;

    private static readonly double[] Pools = [0.5, 1, 1.5, 2, 3, 5, 10];
    private static readonly PageEviction[] Orders = [PageEviction.Counted, PageEviction.Lru, PageEviction.LayerLru];

    /// <summary>Null when it was interrupted.</summary>
    /// <exception cref="KvasirException">The text does not fit, or the policy is not for this model.</exception>
    public PageTrace? Record(Model model, (KvFormat Kv, int Threads, long KvMemoryBytes) options, CancellationToken cancellation)
    {
        var sample = TaskCatalog.Create("needle_multikey").Generate(new SampleRequest(model.Tokenizer, Tokens, Seed, Index: 0));
        var prompt = PromptTokens.Of(model.Tokenizer, sample).Tokens.ToArray();
        var recorder = new PageRecorder(Policy, prompt.Length);
        using var engine = new Engine(model, new EngineOptions
        {
            Kv = options.Kv,
            Threads = options.Threads,
            KvMemoryBytes = options.KvMemoryBytes,
            ContextTokens = prompt.Length + Steps + 1,
        });
        var sequence = new Sequence(prompt, new GenerationOptions
        {
            MaxTokens = Steps + 1,
            IgnoreEnd = true,
            Attention = recorder,
            Sampling = new SamplingOptions { Temperature = 1, Seed = Seed },
        });
        engine.Submit(sequence);
        while (!cancellation.IsCancellationRequested && engine.Step())
        {
        }

        if (sequence.Failure is not null)
            throw sequence.Failure;
        return cancellation.IsCancellationRequested ? null : recorder.Trace(model.Config.Name);
    }

    public static void WriteTable(PageTrace trace, TextWriter output)
    {
        var (replay, sections) = (new TraceReplay(trace), new TextSections(output));
        sections.Write(
            $"{Printable.Line(trace.Model)}, {trace.Policy}, {SizeText.Count(trace.Steps.Count)} steps from {SizeText.Count(trace.Rows)} rows on",
            [
                ["pages of a step", SizeText.Count((long)Math.Round(trace.PagesPerStep))],
                ["of those in sight", Share(trace.TouchedShare)],
                ["read by the step before", Share(trace.AgainShare)],
                [$"not read for {PageTrace.NewSteps} steps", NewPages(trace.NewPages)],
            ]);
        output.WriteLine();
        sections.Write(
            "found in memory of so many steps' pages",
            [
                ["order", .. Pools.Select(static pools => pools.ToString(CultureInfo.InvariantCulture))],
                .. Orders.Select(order => (string[])[EngineFlags.NameOf(order), .. Pools.Select(pools => Share(replay.Hits(pools, order)))]),
                ["optimum", .. Pools.Select(pools => Share(replay.Optimum(pools)))],
            ]);
    }

    private static string NewPages(double pages) => double.IsNaN(pages) ? "-" : string.Create(CultureInfo.InvariantCulture, $"{pages:0.00} of a head");

    private static string Share(double share) => double.IsNaN(share) ? "-" : string.Create(CultureInfo.InvariantCulture, $"{100 * share:0.0}%");
}
