using Kvasir.Kernels.Assembly;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Matrix.Packed;
using Kvasir.Kernels.Matrix.Tiles;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Kernels.Matrix;

public sealed class PackedProductTest
{
    // As for the products of stored rows: relative to the sum of magnitudes.
    private const double Tolerance = 4e-6;

    // Whatever the machine's instructions, the list is the same; where none is packed, there is nothing to hold against the reference.
    public static TheoryData<WeightType> Types => [WeightType.Q4_0, WeightType.Q8_0, WeightType.Q4_K, WeightType.Q6_K, WeightType.MXFP4, WeightType.IQ4_NL, WeightType.IQ4_XS];

    [Theory]
    [Trait("Needs", "Seconds")]
    [MemberData(nameof(Types))]
    public void AgreesWithDoublePrecision(WeightType type)
    {
        var seed = 0;
        for (var batch = 1; batch <= 14; batch++)
        {
            foreach (var columns in new[] { 256, 768, 2048 })
            {
                var rows = new[] { 1, 31, 32, 33, 64, 79, 97 }[seed % 7];
                AssertClose(type, rows, columns, batch, ++seed);
            }
        }

        AssertClose(type, 40, 512, 131, ++seed);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void ExtremesDoNotOverflow(WeightType type)
    {
        if (!PackedWeights.Pays(type))
            return;
        foreach (var fill in new byte[] { 0x00, 0xFF, 0x7F, 0x80, 0x0F, 0xF0 })
        {
            var row = new byte[WeightLayout.RowBytes(type, 512)];
            Array.Fill(row, fill);
            SetScales(type, row);
            using var product = new ProductCase(type, 17, 512, 13, _ => row, i => i % 3 == 0 ? 1 : -1);
            AssertClose(product, $"{type} fill {fill:X2}");
        }
    }

    // Activations make up for scales by which products would leave what a float holds.
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(127)]
    [InlineData(200)]
    [InlineData(250)]
    public void EveryExponentOfAScaleIsTaken(byte exponent)
    {
        if (!PackedWeights.Pays(WeightType.MXFP4))
            return;
        var x = exponent < 127 ? 1e4f : 1e-3f;
        using var product = new ProductCase(WeightType.MXFP4, 35, 96, 7, row => Row(exponent, row), i => (i % 11 - 5) * x);
        AssertClose(product, $"exponent {exponent}, seed 9");

        // A block of zeros, of either sign, lies between.
        static byte[] Row(byte exponent, int index)
        {
            var row = BlockEncoder.Random(WeightType.MXFP4, 96, new Random(9 + index));
            (row[0], row[17], row[34]) = (exponent, 0, exponent);
            row.AsSpan(18, 16).Fill((byte)(index % 2 == 0 ? 0x80 : 0));
            return row;
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void PanelsFillOnlyTheirResults(WeightType type)
    {
        if (!PackedWeights.Pays(type))
            return;
        const int Rows = 98, Stride = 117, Batch = 15;
        using var product = ProductCase.Random(type, Rows, 256, Batch, 3);
        using var packed = new PackedCase(product);
        var whole = new float[Batch * Rows];
        MatrixProduct.Multiply(packed.Kind, packed.Weights, 0, Rows, packed.Prepared, Batch, whole, Rows);
        foreach (var (first, count) in new[] { (32, 32), (64, 34), (32, 66) })
        {
            var part = new float[(Batch - 1) * Stride + first + count];
            Array.Fill(part, -7f);
            MatrixProduct.Multiply(packed.Kind, packed.Weights, first, count, packed.Prepared, Batch, part, Stride);
            for (var i = 0; i < part.Length; i++)
            {
                var (b, row) = (i / Stride, i % Stride);
                Assert.Equal(row >= first && row < first + count ? whole[b * Rows + row] : -7f, part[i]);
            }
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void PanelsAreOneStreamOfBlocks(WeightType type)
    {
        if (!PackedWeights.Pays(type))
            return;
        const int Rows = 40, Blocks = 3;
        var (columns, blockBytes) = (WeightLayout.BlockElements(type), WeightLayout.BlockBytes(type));
        using var product = ProductCase.Random(type, Rows, Blocks * columns, 1, 5);
        using var whole = new PackedCase(product);
        for (var block = 0; block < Blocks; block++)
        {
            using var one = new ProductCase(
                type, Rows, columns, 1, row => product.Weights.Row(row).Slice(block * blockBytes, blockBytes).ToArray(), _ => 1);
            using var part = new PackedCase(one);
            var panelBytes = (int)part.Weights.Bytes / 2;
            for (var panel = 0; panel < 2; panel++)
            {
                var found = whole.Weights.Data.Span((panel * Blocks + block) * panelBytes, panelBytes);
                Assert.True(found.SequenceEqual(part.Weights.Data.Span(panel * panelBytes, panelBytes)), $"{type}, panel {panel}, block {block}, seed 5");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void NeitherTheFormNorWhatIsAskedForAheadChangesAResult(WeightType type)
    {
        if (!PackedWeights.Pays(type))
            return;
        for (var batch = 1; batch <= ActivationTile.MostRows; batch++)
        {
            using var product = ProductCase.Random(type, 32, 768, batch, 6);
            using var packed = new PackedCase(product);
            var expected = new float[batch * 32];
            MatrixProduct.Multiply(packed.Kind, packed.Weights, 0, 32, packed.Prepared, batch, expected, 32);
            Assert.True(packed.Run(PanelForm.Strips256, batch, default).AsSpan().SequenceEqual(expected), $"{type}, strips, batch {batch}, seed 6");
            for (var ahead = WeightsAhead.Lines; CpuFeatures.HasVnni && ahead <= WeightsAhead.HalfPages; ahead++)
                Assert.True(packed.Run(PanelForm.Panels512, batch, ahead).AsSpan().SequenceEqual(expected), $"{type}, panels, {ahead}, batch {batch}, seed 6");
        }
    }

    // What AMX multiplies, on every machine that has the vectors for it.
    [Theory]
    [MemberData(nameof(Types))]
    public unsafe void WidenedBlocksAreTheStoredNumbers(WeightType type)
    {
        if (!PackedWeights.Pays(type) || !WordLanes512.IsSupported)
            return;
        var columns = WeightLayout.BlockElements(type);
        using var product = ProductCase.Random(type, PackedWeights.PanelRows, columns, 1, 12);
        using var packed = new PackedCase(product);
        var (format, pairs) = (PackedWeights.Format(type), new ushort[PackedWeights.PanelRows * columns]);
        var panel = (byte*)packed.Weights.Data.Address;
        fixed (ushort* target = pairs)
            format.Widen(panel, panel + format.CodeBytes, (byte*)target);
        var stored = new float[columns];
        for (var row = 0; row < PackedWeights.PanelRows; row++)
        {
            WeightRow.Decode(type, product.Weights.Row(row), stored);
            for (var column = 0; column < columns; column++)
            {
                // [steps of 32 columns, halves of 16 rows, pairs of columns, rows, 2]
                var at = ((column / 32 * 2 + row / 16) * 16 + column % 32 / 2) * 32 + row % 16 * 2 + column % 2;
                var found = BitConverter.UInt32BitsToSingle((uint)pairs[at] << 16);
                var least = type == WeightType.MXFP4 ? 0 : Math.Abs(stored[column]) / 250;
                Assert.True(Math.Abs(found - stored[column]) <= least, $"{type} seed 12: row {row}, column {column}: {found} instead of {stored[column]}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void WrongUseIsRefused(WeightType type)
    {
        if (!PackedWeights.Pays(type))
            return;
        using var product = ProductCase.Random(type, 40, 256, 2, 3);
        using var packed = new PackedCase(product);
        var results = new float[80];
        Assert.Throws<ArgumentOutOfRangeException>(() => MatrixProduct.Multiply(packed.Kind, packed.Weights, 8, 32, packed.Prepared, 2, results, 40));
        Assert.Throws<ArgumentOutOfRangeException>(() => MatrixProduct.Multiply(packed.Kind, packed.Weights, 0, 16, packed.Prepared, 2, results, 40));
        Assert.Throws<ArgumentOutOfRangeException>(() => MatrixProduct.Multiply(packed.Kind, packed.Weights, 0, 40, packed.Prepared.AsSpan(1), 2, results, 40));
        Assert.Throws<ArgumentOutOfRangeException>(() => Activations.Prepare(packed.Kind, new float[256], 2, 2, packed.Prepared));
        Assert.Throws<InvalidOperationException>(() => packed.Weights.Row(0).Length);
    }

    [Theory]
    [MemberData(nameof(Types))]
    public void NothingIsAllocated(WeightType type)
    {
        if (!PackedWeights.Pays(type))
            return;
        using var product = ProductCase.Random(type, 33, 512, 9, 2);
        using var packed = new PackedCase(product);
        var results = new float[9 * 33];
        var row = new float[512];
        MatrixProduct.Multiply(packed.Kind, packed.Weights, 0, 33, packed.Prepared, 9, results, 33);
        var bytes = AllocatedBytes.Of(() =>
        {
            for (var i = 0; i < 10; i++)
            {
                Activations.Prepare(packed.Kind, row, 3, 9, packed.Prepared);
                MatrixProduct.Multiply(packed.Kind, packed.Weights, 0, 33, packed.Prepared, 9, results, 33);
            }
        });
        Assert.Equal(0, bytes);
    }

    private static void AssertClose(WeightType type, int rows, int columns, int batch, int seed)
    {
        if (!PackedWeights.Pays(type))
            return;
        using var product = ProductCase.Random(type, rows, columns, batch, seed);
        AssertClose(product, $"{type} seed {seed}: {rows} x {columns}, batch {batch}");
    }

    private static void AssertClose(ProductCase product, string what)
    {
        using var packed = new PackedCase(product);
        var results = new float[product.Batch * product.Rows];
        Array.Fill(results, float.NaN);
        MatrixProduct.Multiply(packed.Kind, packed.Weights, 0, product.Rows, packed.Prepared, product.Batch, results, product.Rows);
        var (sums, magnitudes) = product.Exact();
        for (var i = 0; i < results.Length; i++)
        {
            Assert.True(
                Math.Abs(results[i] - sums[i]) <= Tolerance * magnitudes[i],
                $"{what}: batch row {i / product.Rows}, row {i % product.Rows}: {results[i]} instead of {sums[i]}");
        }
    }

    // Every byte is the same but for the scales, which must be numbers.
    private static void SetScales(WeightType type, byte[] row)
    {
        var at = type == WeightType.Q6_K ? 208 : 0;
        for (var block = 0; block < row.Length; block += WeightLayout.BlockBytes(type))
        {
            if (type == WeightType.MXFP4)
            {
                row[block] = 122;
                continue;
            }

            BitConverter.TryWriteBytes(row.AsSpan(block + at), (Half)0.03f);
            if (type == WeightType.Q4_K)
                BitConverter.TryWriteBytes(row.AsSpan(block + 2), (Half)(-0.07f));
        }
    }

    /// <summary>The weights of a case, packed, and its activations in tiles.</summary>
    private sealed class PackedCase : IDisposable
    {
        private readonly NativeBuffer _buffer;

        public PackedCase(ProductCase product)
        {
            _buffer = new NativeBuffer(PackedWeights.Bytes(product.Type, product.Rows, product.Columns));
            PackedWeights.Pack(product.Weights, 0, PackedWeights.PanelCount(product.Rows), _buffer.View);
            Weights = WeightMatrix.Packed(product.Type, product.Rows, product.Columns, _buffer.View);
            Kind = Activations.KindOf(Weights, 1);
            Prepared = new byte[product.Batch * Activations.RowBytes(Kind, product.Columns)];
            for (var b = 0; b < product.Batch; b++)
                Activations.Prepare(Kind, product.Values(b), b, product.Batch, Prepared);
        }

        public WeightMatrix Weights { get; }

        public ActivationKind Kind { get; }

        public byte[] Prepared { get; }

        /// <summary>The first panel times a tile, by a kernel that is assembled for it.</summary>
        public unsafe float[] Run(PanelForm form, int batch, WeightsAhead ahead)
        {
            var format = PackedWeights.Format(Weights.Type);
            var kernel = (delegate* unmanaged<PanelArguments*, void>)AssembledKernel.Assemble(code => format.Write(form, code, batch, ahead));
            var results = new float[batch * PackedWeights.PanelRows];
            fixed (byte* prepared = Prepared)
            fixed (float* result = results)
            {
                var arguments = new PanelArguments
                {
                    Weights = (byte*)Weights.Data.Address,
                    Activations = prepared,
                    Blocks = Weights.Columns / WeightLayout.BlockElements(Weights.Type),
                    Results = result,
                    ResultStrideBytes = PackedWeights.PanelRows * sizeof(float),
                    LaneMask = uint.MaxValue,
                };
                kernel(&arguments);
            }

            return results;
        }

        public void Dispose() => _buffer.Dispose();
    }
}
