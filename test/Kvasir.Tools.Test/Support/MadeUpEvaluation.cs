using Kvasir.Evaluation;
using Kvasir.Evaluation.Results;

namespace Kvasir.Tools.Test.Support;

/// <summary>Samples as an evaluation might give them: thirteen tasks, sweeps of eight policies, three lengths, both protocols, from a seed.</summary>
internal static class MadeUpEvaluation
{
    private const int Layers = 16;

    private static readonly string[] Tasks =
    [
        "niah_single_1", "niah_single_2", "niah_single_3", "niah_multikey_1", "niah_multikey_2", "niah_multikey_3", "niah_multivalue", "niah_multiquery",
        "vt", "cwe", "fwe", "qa_1", "qa_2",
    ];

    // What a policy keeps of quality, and the share of keys it reads, as this page's reader might expect it; the figures are invented.
    private static readonly (string Policy, double KeysRead, double Loss)[] Policies =
    [
        ("dense", 1, 0),
        ("magicpig", 0.022, 0.06), ("magicpig:bits=9", 0.048, 0.025), ("magicpig:bits=8,tables=200", 0.115, 0.008),
        ("psa", 0.061, 0.03), ("psa:coverage=0.9", 0.037, 0.055), ("psa:coverage=0.99", 0.13, 0.006),
        ("guarded:error=0.1", 0.012, 0.03), ("guarded", 0.031, 0.008), ("guarded:error=0.02", 0.074, 0.001),
        ("topk:share=0.005", 0.0062, 0.16), ("topk:share=0.02", 0.021, 0.075), ("topk:share=0.08", 0.082, 0.03),
        ("quest:budget=256", 0.03, 0.12), ("quest:budget=1024", 0.09, 0.045),
        ("h2o:share=0.05", 0.05, 0.31), ("h2o:share=0.2", 0.2, 0.17),
        ("alisa", 0.2, 0.13),
        ("streaming:recent=1024", 0.034, 0.62), ("streaming:recent=8192", 0.26, 0.41),
    ];

    public static EvaluationSettings Settings { get; } = new()
    {
        Model = "Llama-3.1-8B-Instruct-Q4_K_M",
        Shape = "32 layers, 32 heads over 8 KV heads of 128",
        Machine = "2 cores of a made-up processor, AVX-512, VNNI, AMX",
        Seed = 42,
        Version = "1.2.3",
        Threads = 2,
        Kv = "bf16",
        Command = "kvasir eval ruler llama-3.1-8b.gguf --context 4096,16384,65536 --samples 20 --protocol a,b --seed 42",
    };

    public static List<EvaluatedSample> Samples(int seed, int count)
    {
        var random = new Random(seed);
        var samples = new List<EvaluatedSample>();
        foreach (var protocol in Enum.GetValues<Protocol>())
        {
            foreach (var context in new[] { 4096, 16384, 65536 })
            {
                for (var task = 0; task < Tasks.Length; task++)
                {
                    for (var sample = 0; sample < count; sample++)
                        AddSample(samples, random, (task, context, protocol, sample, count));
                }
            }
        }

        return samples;
    }

    private static void AddSample(List<EvaluatedSample> samples, Random random, (int Task, int Context, Protocol Protocol, int Sample, int Count) at)
    {
        var length = Math.Log2(at.Context / 4096.0);
        var hardness = random.NextDouble();
        foreach (var (policy, keysRead, loss) in Policies)
        {
            var dense = 0.995 - (0.012 * at.Task) - (0.022 * length * (at.Task > 7 ? 1.5 : 0.6));
            var lost = loss * (at.Protocol == Protocol.QuestionSparse ? 1.5 : 1) * (0.3 + (1.4 * at.Task / Tasks.Length)) * (1 + (0.15 * length)) * (at.Task == 0 ? 4 * Math.Sin(Math.PI * at.Sample / at.Count) : 1);
            var score = hardness + (0.05 * (random.NextDouble() - 0.5)) < dense - lost ? 1 : at.Task > 5 ? Math.Round(random.NextDouble() * 4) / 10 : 0;
            var read = policy == "dense" ? 1 : Math.Min(1, keysRead * Math.Pow(0.8, length) * (0.9 + (0.2 * random.NextDouble())));
            samples.Add(new EvaluatedSample
            {
                Task = Tasks[at.Task],
                Context = at.Context,
                PromptTokens = at.Context - random.Next(40),
                Protocol = at.Protocol,
                Policy = policy,
                Sample = at.Sample,
                Depth = at.Task < 1 ? (double)at.Sample / (at.Count - 1) : null,
                Score = score,
                Divergence = policy == "dense" ? 0 : lost * (0.1 + (0.05 * random.NextDouble())),
                Answer = $"<script>alert({at.Sample})</script> & \"{random.Next()}\"",
                Expected = ["one", "two, three"],
                DecodedTokens = 16 + random.Next(16),
                KeysRead = read,
                LayerKeysRead = [.. Enumerable.Range(0, Layers).Select(layer => Math.Min(1, layer == 0 || policy == "dense" ? 1 : read * (0.6 + (0.8 * Math.Abs(Math.Sin(layer + policy.Length))))))],
                MassKept = policy == "dense" ? null : 1 - (lost * 0.7),
                BytesPerToken = read * at.Context * 131072,
                PromptMs = at.Context * 2.1,
                DecodeMs = 24 * ((at.Context * 0.004 * read) + 38),
            });
        }
    }
}
