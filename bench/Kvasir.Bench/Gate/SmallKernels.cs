using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Hashing;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Sampling;

namespace Kvasir.Bench.Gate;

/// <summary>Kernels that take spans of numbers and nothing else: elementwise, of hashing, of sampling, of quantising activations.</summary>
internal static class SmallKernels
{
    private const int Count = 4096;
    private const int Tables = 16;
    private const int Heads = 4;

    public static void AddTo(GateCases cases)
    {
        AddElementwise(cases);
        AddSums(cases);
        AddQuantisers(cases);
        AddHashing(cases);
        AddSampling(cases);
        AddCodes(cases);
        AddSigns(cases);
    }

    private static void AddElementwise(GateCases cases)
    {
        var (x, y, z) = (cases.Normal(Count), cases.Normal(Count), new float[Count]);
        cases.Add("RMS norm", 1.7, RmsNorm.Variants, run => run(x, y, 1e-5f, z));
        cases.Add("layer norm", 1.7, LayerNorm.Variants, run => run(x, y, 1e-5f, z));
        cases.Add("SwiGLU", 4, SwiGlu.Variants, run => run(x, y, z));
        cases.Add("clamped SwiGLU", 4, ClampedSwiGlu.Variants, run => run(x, y, z));
        cases.Add("GeGLU", 4, GeGlu.Variants, run => run(x, y, z));
        cases.Add("GELU", 3.5, Gelu.Variants, run =>
        {
            x.CopyTo(z, 0);
            run(z);
        });
        cases.Add("ReLU", 2, Relu.Variants, run =>
        {
            x.CopyTo(z, 0);
            run(z);
        });
        cases.Add("soft cap", 3, SoftCap.Variants, run => run(z, 50));
        cases.Add("softmax exponentials", 3.5, Softmax.Variants, run =>
        {
            x.CopyTo(z, 0);
            run(z, 4);
        });
        cases.Add("exponentials", 3.5, Exponential.Variants, run =>
        {
            x.CopyTo(z, 0);
            run(z);
        });
        // Turned by real angles, so that numbers stay what they are however often.
        var (head, cos, sin) = (cases.Normal(Count), new float[Count / 2], new float[Count / 2]);
        for (var pair = 0; pair < cos.Length; pair++)
            (sin[pair], cos[pair]) = MathF.SinCos(pair);
        cases.Add("RoPE, pairs side by side", 2.4, Rope.Variants, run => run(head, cos, sin, RopeOrder.Interleaved));
        var places = new int[Count];
        cases.Add("numbers above a limit", 3, NumbersAbove.Variants, run => run(x, 0.999f, 0, places, z));
    }

    private static void AddSums(GateCases cases)
    {
        var (x, y) = (cases.Normal(Count), cases.Normal(Count));
        cases.Add("sums of vectors", 1.4, VectorMath.AddVariants, run => run(x, y));
        cases.Add("products of vectors", 1.8, VectorMath.MultiplyVariants, run => run(x, y));
        cases.Add("larger of vectors", 3, VectorMath.RaiseVariants, run => run(x, y));
        cases.Add("scaled sums of vectors", 3, VectorMath.AddScaledVariants, run => run(1e-3f, x, y));
        cases.Add("scaled vectors", 3, VectorMath.ScaleVariants, run => run(y, 0.999f));
        cases.Add("maximum", 3, VectorMath.MaxVariants, run => run(x));
        cases.Add("maximum or NaN", 3, VectorMath.MaxOrNaNVariants, run => run(x));
        cases.Add("sum", 3, VectorMath.SumVariants, run => run(x));
        cases.Add("dot product", 3, VectorMath.DotVariants, run => run(x, y));
    }

    private static unsafe void AddQuantisers(GateCases cases)
    {
        var x = cases.Normal(Count);
        Add("activations in blocks of 32", Activations.Block32Variants, ActivationKind.Q8Block32);
        Add("activations in blocks of 256", Activations.Block256Variants, ActivationKind.Q8Block256);

        void Add(string name, Kvasir.Kernels.Variant<QuantizeKernel>[] variants, ActivationKind kind)
        {
            var prepared = new byte[Activations.RowBytes(kind, Count)];
            cases.Add(name, 2, variants, run =>
            {
                fixed (float* from = x)
                {
                    fixed (byte* to = prepared)
                        run(from, Count, to);
                }
            });
        }
    }

    private static void AddHashing(GateCases cases)
    {
        var (scores, lengths, found, table) = (new float[Count], Array.ConvertAll(cases.Normal(Count), Math.Abs), new ulong[Count / 64], cases.Normal(258));
        Array.Fill(found, 0x5555_5555_5555_5555UL);
        cases.Add("weights of cosines", 1.5, CosineWeights.Variants, run =>
        {
            scores.AsSpan().Fill(0.1f);
            run(scores, lengths, found, 0, new CosineOf(0, 1), table);
        });
    }

    private static void AddSampling(GateCases cases)
    {
        var (weights, shares, signs) = (Array.ConvertAll(cases.Normal(Count), Math.Abs), Array.ConvertAll(cases.Normal(Count), Math.Abs), cases.Normal(Count));
        var results = new float[Count];
        cases.Add("chances below a limit", 3, ChanceSums.Variants, run => run(shares, 0.5f));
        cases.Add("signed roots", 3, DrawnWeights.RootVariants, run => run(0.5f, shares, signs, results));
        cases.Add("moments of drawn weights", 2, DrawnWeights.ScatterVariants, run => run(weights, shares, signs, results));
    }

    private static void AddCodes(GateCases cases)
    {
        var (x, centres, scales) = (cases.Normal(128), cases.Normal(128), Array.ConvertAll(cases.Normal(128), Math.Abs));
        var (levels, numbers, limits) = (new int[128], new byte[32], Enumerable.Range(0, 15).Select(static i => (i - 7) / 4f).ToArray());
        cases.Add("levels of a key", 5, KeyLevels.LevelVariants, run => run(new ScaledValues(x, centres, scales), limits, levels));
        cases.Add("signs of a key", 2, KeyLevels.SignVariants, run => run(new ScaledValues(x, centres, scales), numbers));

        var (entries, pattern) = (cases.Normal(Heads * Tables * CodeScan.TableEntries), cases.Normal(CodeScan.TableEntries));
        var tables = new byte[entries.Length];
        cases.Add("entries of a table", 1.5, CodeTables.AddVariants, run =>
        {
            for (var at = 0; at < entries.Length; at += CodeScan.TableEntries)
                run(1e-3f, pattern, entries.AsSpan(at, CodeScan.TableEntries));
        });
        cases.Add("tables in bytes", 2, CodeTables.RoundVariants, run => run(entries, 4, CodeScan.MostSum / CodeScan.TablesAtOnce, tables));

        var codes = new byte[Count / CodeScan.GroupRows * CodeScan.GroupBytes(Tables)];
        new Random(1).NextBytes(codes);
        var few = Array.ConvertAll(tables, static entry => (byte)(entry % (CodeScan.MostSum / CodeScan.TablesAtOnce)));
        var scores = new ushort[Heads * Count];
        cases.Add("scan of codes", 20, CodeScan.Variants, run => run(codes, few, Tables, scores, Count));
    }

    private static void AddSigns(GateCases cases)
    {
        var (x, signs) = (cases.Normal(Count), new byte[SignScan.RowBytes(Count)]);
        cases.Add("signs of a row", 3, SignScan.BytesVariants, run => run(x, signs));

        var (products, largest) = (cases.Normal(Tables * Count), new int[Count]);
        cases.Add("best of a few", 3, LargestOf.Variants, run => run(products, Count, largest));

        var (codes, queries, scores) = (new byte[Count * Tables], new byte[Heads * Tables], new byte[Heads * Count]);
        new Random(2).NextBytes(codes);
        new Random(3).NextBytes(queries);
        cases.Add("Hamming distances", 20, SignScan.Variants, run => run(codes, queries, Tables, scores, Count));
    }
}
