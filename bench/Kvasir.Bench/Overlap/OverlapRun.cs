using System.Globalization;
using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Measurement;
using Kvasir.Synthetic;
using Kvasir.Tiers;

namespace Kvasir.Bench.Overlap;

/// <summary>
/// How much of the time that reading takes is hidden behind computing: the same steps over a store of a stated pace when nobody reads before a layer asks and
/// when the next layer's queries are foretold, and over a store that takes no time. All read the same rows, in turn: a machine that slows down slows all.
/// </summary>
internal static class OverlapRun
{
    private const string Chooses = "quest:share=0.05,page=32,dense-layers=none,min-context=0";
    private const int WarmSteps = 40;
    private const int Rounds = 7;
    private const int Steps = 8;
    private const double LeastHidden = 0.7;
    private static readonly ReadPace Pace = new(20_000, 400e6, 100);
    private static readonly ReadPace AtOnce = new(1e9, 1e15, 0);

    /// <param name="arguments">
    /// A shape, tokens of context, how alike queries are from step to step and how near they are foretold, as <c>kvasir bench</c> has them, and what part of
    /// keys and values memory holds; each optional. As it is, about 60 pages are missing in a layer.
    /// </param>
    /// <returns>0 if as much is hidden as should be.</returns>
    public static int Run(string[] arguments)
    {
        var shape = arguments.Length > 0 ? arguments[0] : "llama3.1-8b:4";
        var tokens = arguments.Length > 1 ? int.Parse(arguments[1], CultureInfo.InvariantCulture) : 32_768;
        var likeness = (Reuse: Number(arguments, 2, 0.3), Foresight: Number(arguments, 3, 0.99));
        var poolShare = Number(arguments, 4, 0.12);
        using var model = Model.Synthetic(SyntheticShape.Parse(shape), SyntheticWeights.Q4_0);
        using var free = new Way(model, "no time", (tokens, poolShare), (AtOnce, PageAhead.Off), likeness);
        using var asked = new Way(model, "when asked", (tokens, poolShare), (Pace, PageAhead.Off), likeness);
        using var ahead = new Way(model, "ahead", (tokens, poolShare), (Pace, PageAhead.Auto), likeness);
        using var foretold = new Way(model, "no time, ahead", (tokens, poolShare), (AtOnce, PageAhead.On), likeness);
        Way[] ways = [free, foretold, asked, ahead];
        foreach (var way in ways)
            way.Warm();
        for (var round = 0; round < Rounds; round++)
        {
            for (var i = 0; i < ways.Length; i++)
                ways[(round + i) % ways.Length].Measure();
        }

        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{shape}, {tokens} tokens, {poolShare:0%} of them in memory, {Chooses}, reuse {likeness.Reuse}, foresight {likeness.Foresight}; store {Pace}"));
        Console.WriteLine("reads begin      ms/step  pages missing a layer  foretold a layer   wanted  of missing  waited ms  reading ms  exposed   hidden");
        var hidden = ways.Select(way => Tell(way, free.StepMs, model.Config.LayerCount)).ToArray();
        return hidden[^1] >= LeastHidden ? 0 : 1;
    }

    private static double Tell(Way way, double freeMs, int layers)
    {
        var (figures, steps) = (way.Figures, (double)Rounds * Steps);
        var reading = 1000 * figures.Misses / steps * Math.Max(1 / Pace.ReadsPerSecond, way.PageBytes / Pace.BytesPerSecond);
        var exposed = way.StepMs - freeMs;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"{way.Name,-14}  {way.StepMs,8:0.00}  {figures.Misses / steps / layers,21:0.0}  {figures.Foretold / steps / layers,16:0.0}  "
            + $"{(double)figures.ForetoldUsed / Math.Max(1, figures.Foretold),7:0%}  {(double)figures.ForetoldUsed / Math.Max(1, figures.Misses),10:0%}  "
            + $"{figures.WaitMs / steps,9:0.00}  {reading,10:0.00}  {exposed,7:0.00}  {1 - (exposed / Math.Max(1e-9, reading)),7:0%}"));
        return 1 - (exposed / Math.Max(1e-9, reading));
    }

    private static double Number(string[] arguments, int index, double otherwise) =>
        arguments.Length > index ? double.Parse(arguments[index], CultureInfo.InvariantCulture) : otherwise;

    // An engine with its store, and how its steps went.
    private sealed class Way : IDisposable
    {
        private readonly Engine _engine;
        private readonly EngineProbe _probe;
        private readonly List<double> _times = [];
        private PageFigures _before;

        public Way(Model model, string name, (int Tokens, double Share) pool, (ReadPace Pace, PageAhead Ahead) reads, (double Reuse, double Foresight) likeness)
        {
            var (policy, room) = (PolicyCatalog.Parse(Chooses), pool.Tokens + 64);
            var shape = model.Config.Attention;
            var pageBytes = 2L * 32 * shape.Dim * sizeof(ushort);
            var bytes = (room + 31L) / 32 * shape.TotalKvHeads * pageBytes;
            (Name, PageBytes) = (name, pageBytes);
            _engine = new Engine(model, new EngineOptions
            {
                Attention = policy,
                KvMemoryBytes = (long)(pool.Share * bytes) + policy.IndexBytesAt(shape, pool.Tokens, room, room) + (8L << 20),
                KvDiskBytes = bytes + (64 << 20),
                KvPace = reads.Pace,
                KvAhead = reads.Ahead,
                ContextTokens = room,
                MaxSequences = 1,
            });
            _probe = new EngineProbe(_engine, policy, room, seed: 1) { Reuse = likeness.Reuse, Foresight = likeness.Foresight };
            _probe.FillRandom(pool.Tokens);
        }

        public string Name { get; }

        public long PageBytes { get; }

        /// <summary>The median of all rounds.</summary>
        public double StepMs => _times.Order().ElementAt(_times.Count / 2);

        /// <summary>Of the steps that were measured.</summary>
        public PageFigures Figures
        {
            get
            {
                var all = _engine.Figures.KvFiles!.Value;
                return all with
                {
                    Misses = all.Misses - _before.Misses,
                    WaitMs = all.WaitMs - _before.WaitMs,
                    Foretold = all.Foretold - _before.Foretold,
                    ForetoldUsed = all.ForetoldUsed - _before.ForetoldUsed,
                };
            }
        }

        public void Warm()
        {
            _probe.Decode(1, WarmSteps);
            _before = _engine.Figures.KvFiles!.Value;
        }

        public void Measure() => _times.Add(_probe.Decode(1, Steps).TotalMs / Steps);

        public void Dispose()
        {
            _probe.Dispose();
            _engine.Dispose();
        }
    }
}
