using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Kvasir.Forward;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Memory;
using Kvasir.Models.Configs;

namespace Kvasir.Test.Forward;

/// <summary>
/// Gates and ups of experts, each stored in a type of its own that wants activations in a form of its own, with biases, over more outputs than are one worker's at
/// a time and more rows than are one tile's: against double precision.
/// </summary>
public sealed class ExpertProductTest : IDisposable
{
    private const int Columns = 256;
    private const int Outputs = 100;
    private const int Block = 32;
    private readonly List<NativeBuffer> _buffers = [];

    public void Dispose() => _buffers.ForEach(static buffer => buffer.Dispose());

    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(3, 1, 2)]
    [InlineData(23, 2, 3)]
    public void EveryRowOfAnExpertMeetsItsMatricesItsBiasesAndItsGate(int rows, int used, int workers)
    {
        const int Count = 3;
        var random = new Random(rows);
        var shape = new ExpertShape { Count = Count, Used = used, Width = Outputs };
        using var pool = new WorkerPool(workers);
        var (x, router) = (Whole(random, rows), new ExpertRouter(rows, shape));
        router.Route(pool, shape, View(Enumerable.Range(0, rows * Count).Select(_ => random.NextSingle())), rows);
        var (gates, ups) = (Matrices(Count, WeightType.F32, random), Matrices(Count, WeightType.Q8_0, random));
        var kinds = gates.Concat(ups).SelectMany(matrix => Enumerable.Range(1, rows).Select(count => Activations.KindOf(matrix, count))).ToHashSet();
        var prepared = new PreparedRows(rows * used, Columns, workers, kinds, new RowNorm(NormKind.RootMeanSquare, 1e-5f));
        using var input = new ExpertInput(router, prepared);
        input.Gather(pool, router.Experts, new LinearRows(View(x.SelectMany(static row => row)), rows, Columns, null), gates, ups);
        float[] gateBiases = [.. Enumerable.Range(0, Count * Outputs).Select(_ => random.NextSingle())], upBiases = [.. gateBiases.Reverse()];
        var (results, others) = (View(new float[rows * used * Outputs]), View(new float[rows * used * Outputs]));
        new ExpertProduct(input, router, Count, pool).RunGated(GateKind.Silu, router.Experts, new ExpertTarget(gates, gateBiases, results), new ExpertTarget(ups, upBiases, others));
        for (var slot = 0; slot < rows * used; slot++)
        {
            var expert = router.ExpertOf(slot);
            for (var output = 0; output < Outputs; output++)
            {
                var gate = Product(gates[expert], output, x[router.RowOf(slot)]) + gateBiases[(expert * Outputs) + output];
                var up = Product(ups[expert], output, x[router.RowOf(slot)]) + upBiases[(expert * Outputs) + output];
                var (expected, seen) = (gate / (1 + Math.Exp(-gate)) * up, results.Span<float>(0, rows * used * Outputs)[(slot * Outputs) + output]);
                Assert.True(Math.Abs(expected - seen) <= 1e-4 * (1 + Math.Abs(gate)) * (1 + Math.Abs(up)), $"output {output} of slot {slot}, expert {expert}: {seen} for {expected}");
            }
        }
    }

    // Whole numbers, and one of the largest in each block, so that bytes hold them exactly.
    private static float[][] Whole(Random random, int rows) =>
        [.. Enumerable.Range(0, rows).Select(_ => Enumerable.Range(0, Columns).Select(i => i % Block == 0 ? 127f : random.Next(-127, 128)).ToArray())];

    private WeightMatrix[] Matrices(int count, WeightType type, Random random) =>
        [.. Enumerable.Range(0, count).Select(_ => new WeightMatrix(type, Outputs, Columns, type == WeightType.F32
            ? View(Enumerable.Range(0, Outputs * Columns).Select(_ => (random.NextSingle() - 0.5f) / 100))
            : View<byte>(Enumerable.Range(0, Outputs * Columns / Block).SelectMany(_ => BytesBlock(random)))))];

    private static byte[] BytesBlock(Random random)
    {
        var block = new byte[2 + Block];
        random.NextBytes(block);
        BinaryPrimitives.WriteHalfLittleEndian(block, (Half)0.0001);
        return block;
    }

    private static double Product(in WeightMatrix matrix, int output, float[] x)
    {
        var weights = new float[Columns];
        WeightRow.Decode(matrix.Type, matrix.Row(output), weights);
        return weights.Zip(x, static (w, own) => (double)w * own).Sum();
    }

    private NativeView View(IEnumerable<float> values) => View<float>(values);

    private NativeView View<T>(IEnumerable<T> values)
        where T : unmanaged
    {
        var bytes = MemoryMarshal.AsBytes<T>([.. values]);
        var buffer = new NativeBuffer(bytes.Length);
        bytes.CopyTo(buffer.View.Span(0, bytes.Length));
        _buffers.Add(buffer);
        return buffer.View;
    }
}
