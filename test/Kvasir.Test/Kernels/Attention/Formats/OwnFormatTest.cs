using System.Buffers.Binary;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Runtime.Loader;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Amx;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Test.Models;

namespace Kvasir.Test.Kernels.Attention.Formats;

/// <summary>A format of somebody else's: a codec in this file, and a row. Nothing else knows of it.</summary>
public sealed class OwnFormatTest
{
    // Half a step of a seventh of a range of twice the largest magnitude, and what f16 rounds.
    private const double ThreeBitError = 1.0 / 7 + 0.005;

    private static readonly KvFormat ThreeBit = new("q3", "3 bits between the least and the largest of 32 elements", RowCodec.Plain<ThreeBits>(ThreeBitError), RowCodec.Plain<ThreeBits>(ThreeBitError));

    [Fact]
    public void ThreeBitRowsComeBackWithinHalfAStepOfTheirGroups()
    {
        foreach (var dim in (int[])[1, 31, 32, 64, 80, 128])
        {
            var row = AttentionCase.Normal(new Random(dim), dim);
            var (stored, seen) = (new byte[ThreeBit.Keys.RowBytes(dim)], new float[dim]);
            ThreeBit.Keys.Encode(row, stored);
            ThreeBit.Keys.Decode(stored, seen);
            for (var i = 0; i < dim; i++)
                Assert.True(MathF.Abs(seen[i] - row[i]) <= ThreeBitError * row.Max(MathF.Abs), $"dim {dim}, element {i}: {seen[i]} for {row[i]}");
        }

        Assert.Equal((32, 32, 64), (ThreeBit.Keys.RowBytes(8), ThreeBit.Keys.RowBytes(64), ThreeBit.Keys.RowBytes(128)));
    }

    [Fact]
    public void EveryFormOfItsKernelsMatchesDoublePrecision()
    {
        foreach (var (dim, queryCount) in ((int, int)[])[(8, 4), (33, 1), (64, 7), (128, 30), (80, 100)])
        {
            int[] rows = [.. Enumerable.Range(3, 70)];
            using var attention = new AttentionCase(ThreeBit, dim, queryCount, rows, seed: dim + queryCount);
            foreach (var variant in AttentionScores.Variants.Where(v => v.IsSupported))
            {
                foreach (var set in (int[]?[])[null, rows])
                {
                    var scores = new float[queryCount * attention.Stride];
                    variant.Run(attention.Queries, attention.Pages.Keys, set is null ? new RowSet(3, 70) : new RowSet(set), 0.3f, scores, attention.Stride);
                    attention.RequireScores(scores, 0.3f, variant.Name);
                    var outputs = new float[queryCount * dim];
                    AttentionValues.Variants.First(v => v.Name == variant.Name).Run(
                        attention.Weights, attention.Stride, attention.Pages.Values, set is null ? new RowSet(3, 70) : new RowSet(set), outputs);
                    attention.RequireOutputs(outputs, 0, variant.Name);
                }
            }
        }
    }

    [Fact]
    public void FloatsThatSomebodyElseStoresAreReadBitForBitAsOurs()
    {
        var codec = RowCodec.Plain<Floats>(0);
        var random = new Random(5);
        using var own = new PoisonedPages(new KvFormat("own", "", codec, codec), 48, 32, 100, random);
        using var ours = new PoisonedPages(KvFormat.F32, 48, 32, 100, random);
        for (var row = 0; row < 100; row++)
        {
            var elements = AttentionCase.Normal(random, 48);
            foreach (var values in (bool[])[false, true])
                Assert.Equal(ours.Write(values, row, elements), own.Write(values, row, elements));
        }

        var (queries, scores, expected) = (AttentionCase.Normal(random, 4 * 48), new float[400], new float[400]);
        AttentionScores.Rows(queries, own.Keys, new RowSet(0, 100), 1, scores, 100);
        AttentionScores.Rows(queries, ours.Keys, new RowSet(0, 100), 1, expected, 100);
        Assert.Equal(expected, scores);
        var (outputs, wanted) = (new float[4 * 48], new float[4 * 48]);
        AttentionValues.Rows(scores, 100, own.Values, new RowSet(0, 100), outputs);
        AttentionValues.Rows(scores, 100, ours.Values, new RowSet(0, 100), wanted);
        Assert.Equal(wanted, outputs);
    }

    [Fact]
    public void PromptsOfRoughRowsAttendByTilesAndThoseOfFineOnesInFloats()
    {
        Assert.Equal(TileAttention.Supports(KvFormat.Q8), TileAttention.Supports(ThreeBit));
        Assert.False(TileAttention.Supports(ThreeBit with { Values = RowCodec.Plain<Floats>(0) }));
        if (!TileAttention.Supports(ThreeBit))
            return;
        using var tiles = new TileCase(ThreeBit, 64, new CausalView(100, 4, null), 20, seed: 3);
        tiles.Run();
        tiles.RequireOutputs();
    }

    // Root mean square errors in units of the range of a position's logits: q8 is off by 0.004 there, noise by 0.2.
    [Fact]
    public void AWholeModelGeneratesWithIt()
    {
        int[] tokens = [1, .. Enumerable.Range(0, 119).Select(static i => 3 + (i * 37 % 300))];
        float[][] Logits(KvFormat kv) => GoldenLogitsEngine.LogitsOf("stories260K", tokens, kv, promptCount: 60, chunkTokens: 32);
        var exact = Logits(KvFormat.F32);
        double Error(KvFormat kv) => exact.Zip(Logits(kv), (e, s) => Math.Sqrt(e.Zip(s).Average(x => Math.Pow(x.First - x.Second, 2))) / (e.Max() - e.Min())).Average();
        Assert.InRange(Error(ThreeBit), 4 * Error(KvFormat.Q8), 0.05);
        Assert.InRange(Error(KvFormat.Pair(KvFormat.BF16, ThreeBit)), Error(KvFormat.BF16), Error(ThreeBit));

        using var model = Generation.LoadStories();
        foreach (var policy in (string[])["dense", "psa:block=4,group=2,coverage=0.6,sinks=3,recent=5,min-context=0"])
        {
            var options = Generation.Greedy(20) with { Attention = PolicyCatalog.Parse(policy) };
            var answer = Generation.Run(model, new EngineOptions { Threads = 1, Kv = ThreeBit, KvMemoryBytes = 16 << 20 }, [.. tokens[..40]], options);
            Assert.Equal(20, answer.Tokens.Length);
            Assert.All(answer.Logprobs, logprob => Assert.True(float.IsFinite(logprob)));
        }
    }

    // The table belongs to the process and other tests walk it: here it is one of another copy of the assembly.
    [Fact]
    public void ARowThatIsRegisteredIsFoundByItsName()
    {
        var context = new AssemblyLoadContext(nameof(OwnFormatTest), isCollectible: true);
        var type = context.LoadFromAssemblyPath(typeof(KvFormat).Assembly.Location).GetType(typeof(KvFormat).FullName!)!;
        var q8 = type.GetProperty(nameof(KvFormat.Q8))!.GetValue(null)!;
        object? Get(string name) => type.GetProperty(name)!.GetValue(q8);
        object? Call(string name, params object?[] arguments) => type.GetMethod(name, BindingFlags.Static | BindingFlags.Public)!.Invoke(null, arguments);
        var own = Activator.CreateInstance(type, "q3", "3 bits", Get(nameof(KvFormat.Keys)), Get(nameof(KvFormat.Values)))!;
        Assert.Null(Call(nameof(KvFormat.Find), "q3"));
        Call(nameof(KvFormat.Register), own);
        Assert.Equal(own, Call(nameof(KvFormat.Find), "Q3"));
        Assert.EndsWith(" or q3", (string)type.GetProperty(nameof(KvFormat.Names))!.GetValue(null)!, StringComparison.Ordinal);
        var refusal = Assert.Throws<TargetInvocationException>(() => Call(nameof(KvFormat.Register), own));
        Assert.Contains("there is a format 'q3' already", refusal.InnerException!.Message, StringComparison.Ordinal);
        Assert.Null(KvFormat.Find("q3"));
        context.Unload();
    }

    /// <summary>Groups of 32 elements: a step and the least of them as f16, then 3 bits each.</summary>
    private readonly struct ThreeBits : IPlainCodec
    {
        private const int Group = 32;
        private const int Most = 7;
        private const int GroupBytes = 2 * sizeof(ushort) + Group * 3 / 8;

        public static int RowBytes(int elements) => elements / Group * GroupBytes;

        public static void Encode(ReadOnlySpan<float> row, Span<byte> stored)
        {
            stored.Clear();
            for (; !row.IsEmpty; row = row[Group..], stored = stored[GroupBytes..])
            {
                var (least, most) = (row[0], row[0]);
                foreach (var x in row[..Group])
                    (least, most) = (MathF.Min(least, x), MathF.Max(most, x));
                var (step, zero) = ((Half)((most - least) / Most), (Half)least);
                BinaryPrimitives.WriteHalfLittleEndian(stored, step);
                BinaryPrimitives.WriteHalfLittleEndian(stored[2..], zero);
                for (var i = 0; i < Group; i++)
                {
                    var code = step > Half.Zero ? (int)Math.Clamp(MathF.Round((row[i] - (float)zero) / (float)step), 0, Most) : 0;
                    for (var bit = 0; bit < 3; bit++)
                        stored[4 + (3 * i + bit) / 8] |= (byte)((code >> bit & 1) << (3 * i + bit) % 8);
                }
            }
        }

        public static void Decode(ReadOnlySpan<byte> stored, Span<float> row)
        {
            for (; !row.IsEmpty; row = row[Group..], stored = stored[GroupBytes..])
            {
                var (step, zero) = ((float)BinaryPrimitives.ReadHalfLittleEndian(stored), (float)BinaryPrimitives.ReadHalfLittleEndian(stored[2..]));
                for (var i = 0; i < Group; i++)
                {
                    var code = 0;
                    for (var bit = 0; bit < 3; bit++)
                        code |= (stored[4 + (3 * i + bit) / 8] >> (3 * i + bit) % 8 & 1) << bit;
                    row[i] = zero + code * step;
                }
            }
        }
    }

    private readonly struct Floats : IPlainCodec
    {
        public static int RowBytes(int elements) => elements * sizeof(float);

        public static void Encode(ReadOnlySpan<float> row, Span<byte> stored) => MemoryMarshal.AsBytes(row).CopyTo(stored);

        public static void Decode(ReadOnlySpan<byte> stored, Span<float> row) => MemoryMarshal.Cast<byte, float>(stored).CopyTo(row);
    }
}
