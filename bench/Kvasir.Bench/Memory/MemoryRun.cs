using System.Diagnostics;
using System.Globalization;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Requests;
using Kvasir.Synthetic;

namespace Kvasir.Bench.Memory;

/// <summary>
/// What keys and values of a prompt take once it is over, by format and by what drops, merges or narrows them: bytes that became resident in this process,
/// beside what the engine counts. The prompt is computed by the engine, with matrices as narrow as they may be.
/// </summary>
internal static class MemoryRun
{
    private const int DefaultTokens = 32768;
    private const int AnswerTokens = 8;

    // What of bf16 and dense attention may be left; null where nothing is promised. A method that drops says how much it keeps, and may take 3 % more.
    private static readonly (string Kv, string Policy, int Rank, double? Most)[] Ways =
    [
        ("bf16", "dense", 0, null), ("q8", "dense", 0, null), ("int8", "dense", 0, null), ("kivi4", "dense", 0, 0.31), ("kivi2", "dense", 0, 0.19),
        ("quantspec", "dense", 0, null), ("bf16", "dense", 64, 0.75 * 1.02),
        ("bf16", "think:ratio=0.4", 0, 0.82), ("bf16", "think:ratio=0.6", 0, null), ("kivi4", "think:ratio=0.5", 0, null),
        ("bf16", "streaming:recent=1024", 0, null), ("bf16", "h2o:heavy=0.25,newest=0.25", 0, 0.5 * 1.03),
        ("bf16", "alisa:scoring=literal,drop=spent", 0, 0.2 * 1.03), ("bf16", "snapkv:share=0.25", 0, 0.25 * 1.03),
        ("bf16", "pyramidkv:share=0.25", 0, 0.25 * 1.03), ("bf16", "adakv:share=0.25", 0, 0.25 * 1.03), ("bf16", "prefixkv:share=0.25", 0, 0.25 * 1.03),
        ("bf16", "dbudgetkv", 0, null), ("bf16", "kvmerger", 0, null), ("kivi4", "snapkv:share=0.25", 0, null),
    ];

    /// <param name="arguments">
    /// A shape and tokens, none for four layers of the 8B shape and 32k; and one format, policy and rank of values (0 for all), none for all of the table.
    /// </param>
    public static int Run(string[] arguments)
    {
        var shape = arguments.Length > 0 ? arguments[0] : "llama3.1-8b:4";
        var tokens = arguments.Length > 1 ? int.Parse(arguments[1], CultureInfo.InvariantCulture) : DefaultTokens;
        if (arguments.Length > 4)
        {
            var (resident, counted) = Measure(shape, arguments[2], arguments[3], int.Parse(arguments[4], CultureInfo.InvariantCulture), tokens);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{resident} {counted}"));
            return 0;
        }

        Console.WriteLine($"`Kvasir.Bench -- memory {shape} {tokens}`: after a prompt of so many, a query head for each KV head, a process for each row.");
        Console.WriteLine();
        Console.WriteLine("| rows | policy | resident | of bf16 | at most | counted | of bf16 | resident beside counted |");
        Console.WriteLine("|---|---|---:|---:|---:|---:|---:|---:|");
        var whole = (Resident: 0L, Counted: 0L);
        var isWithin = true;
        foreach (var way in Ways)
        {
            var (resident, counted) = Alone(shape, tokens, way.Kv, way.Policy, way.Rank);
            whole = whole.Resident == 0 ? (resident, counted) : whole;
            var shares = ((double)resident / whole.Resident, (double)counted / whole.Counted);
            isWithin &= way.Most is null || shares.Item1 <= way.Most;
            var rank = way.Rank > 0 ? string.Create(CultureInfo.InvariantCulture, $" `--kv-rank {way.Rank}`") : "";
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"| `{way.Kv}`{rank} | `{way.Policy}` | {resident / 1e6:0.0} MB | {shares.Item1:0.000} | {way.Most:0.000} | {counted / 1e6:0.0} MB "
                    + $"| {shares.Item2:0.000} | {100.0 * (resident - counted) / counted:+0.0;-0.0} % |"));
        }

        return isWithin ? 0 : 1;
    }

    // In a process of its own: what one gave back may stay with it.
    private static (long Resident, long Counted) Alone(string shape, int tokens, string kv, string policy, int rank)
    {
        var start = new ProcessStartInfo(Environment.ProcessPath!) { RedirectStandardOutput = true };
        foreach (var argument in (string[])["memory", shape, Text(tokens), kv, policy, Text(rank)])
            start.ArgumentList.Add(argument);
        using var process = Process.Start(start)!;
        var said = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return said.Split(' ') is [var resident, var counted] && process.ExitCode == 0
            ? (long.Parse(resident, CultureInfo.InvariantCulture), long.Parse(counted, CultureInfo.InvariantCulture))
            : throw new InvalidOperationException($"{policy} over {kv} said: {said}");
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);

    private static (long Resident, long Counted) Measure(string name, string kv, string policy, int rank, int tokens)
    {
        var shape = SyntheticShape.Parse(name);
        // Matrices are as narrow, and queries as few, as they may be: what is measured are rows, and prompts of so many are mostly attention.
        shape = shape with
        {
            Config = shape.Config with { Width = 256, FeedForwardWidth = 256, VocabularySize = 1024, HeadCount = shape.Config.KvHeadCount },
        };
        using var model = Model.Synthetic(shape, SyntheticWeights.Q8_0, options: new ModelOptions { KvRank = rank });
        var options = new EngineOptions
        {
            Kv = KvFormat.Find(kv)!,
            KvMemoryBytes = 3L * tokens * model.Config.LayerCount * model.Config.KvHeadCount * model.Config.HeadDim * 2 * sizeof(ushort),
            ContextTokens = tokens + AnswerTokens,
        };
        using var engine = new Engine(model, options);
        // What steps themselves touch is there before, and its pages are given back to the system.
        Answer(engine, policy, tokens);
        while (engine.Step())
        {
        }

        GC.Collect();
        var (before, countedBefore) = (Environment.WorkingSet, engine.KvBytesInUse);
        var sequence = Answer(engine, policy, tokens);
        GC.Collect();
        var (resident, counted) = (Environment.WorkingSet - before, engine.KvBytesInUse - countedBefore);
        while (engine.Step())
        {
        }

        return sequence.Failure is null ? (resident, counted) : throw new InvalidOperationException($"{policy} over {kv}", sequence.Failure);
    }

    // A prompt, and the first tokens behind it.
    private static Sequence Answer(Engine engine, string policy, int tokens)
    {
        var random = new Random(1);
        var prompt = Enumerable.Range(0, tokens).Select(_ => random.Next(engine.Model.Config.VocabularySize)).ToArray();
        var sequence = new Sequence(prompt, new GenerationOptions { MaxTokens = AnswerTokens, IgnoreEnd = true, Attention = PolicyCatalog.Parse(policy) });
        engine.Submit(sequence);
        while (sequence.GeneratedCount < 3 && engine.Step())
        {
        }

        return sequence;
    }
}
