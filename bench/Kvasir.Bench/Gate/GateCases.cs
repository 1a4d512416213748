using Kvasir.Kernels;
using Kvasir.Kernels.Assembly;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Amx;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Matrix;
using Kvasir.Kernels.Matrix.Amx;
using Kvasir.Kernels.Matrix.Packed;
using Kvasir.Kernels.Memory;

namespace Kvasir.Bench.Gate;

/// <summary>The kernels that the gate watches, small enough for the second cache level, so that neighbours in memory do not matter.</summary>
internal sealed class GateCases : IDisposable
{
    private const int Rows = 64;
    private const int Columns = 1024;
    private const int Dim = 128;
    private const int Tokens = 512;
    private const int PageTokens = 32;
    private const int Group = 4;

    private readonly List<NativeBuffer> _buffers = [];
    private readonly Random _random = new(1);
    private readonly List<GateCase> _cases = [];
    private readonly HashSet<object> _tables = [];
    private readonly PolicySteps _steps;

    public GateCases()
    {
        WeightType[] types =
        [
            WeightType.Q4_0, WeightType.Q8_0, WeightType.Q4_K, WeightType.Q6_K, WeightType.MXFP4, WeightType.IQ4_NL, WeightType.IQ4_XS,
            WeightType.BF16, WeightType.F32,
        ];
        foreach (var type in types)
        {
            foreach (var batch in new[] { 1, 64 })
                AddProduct(type, batch);
        }

        foreach (var format in KvFormat.Table)
        {
            AddAttention(format);
            AddPrefill(format);
        }

        SmallKernels.AddTo(this);
        _steps = new PolicySteps(this);
        _tables.UnionWith([MatrixProduct.Variants, AttentionScores.Variants, AttentionValues.Variants]);
    }

    public IReadOnlyList<GateCase> All => _cases;

    /// <summary>Tables of variants that have a case.</summary>
    public IReadOnlySet<object> Tables => _tables;

    public void Dispose()
    {
        _steps.Dispose();
        foreach (var buffer in _buffers)
            buffer.Dispose();
    }

    private void AddProduct(WeightType type, int batch)
    {
        var stored = new WeightMatrix(type, Rows, Columns, Filled(Rows * WeightLayout.RowBytes(type, Columns)));
        var (rows, results) = (Prepared(Activations.KindOf(type), batch), new float[batch * Rows]);
        var fastest = Array.FindLast(MatrixProduct.Variants, static variant => variant.IsSupported);
        var scalar = MatrixProduct.Variants[0];
        void Scalar() => MatrixProduct.Run(scalar.Run, stored, 0, Rows, rows, batch, results, Rows);
        // A batch is bound by multiplying, a single row of activations by unpacking or, where there is nothing to unpack, by the cache.
        // What names values of a table is multiplied block by block as stored, and its scalar form takes half as long as others.
        var isTable = type is WeightType.MXFP4 or WeightType.IQ4_NL or WeightType.IQ4_XS;
        var least = Least(fastest.Name, isTable ? 4 : batch > 1 ? 18 : type == WeightType.F32 ? 9 : 12);
        _cases.Add(new GateCase(
            $"product {type}, batch {batch}", fastest.Name, least, Scalar, () => MatrixProduct.Run(fastest.Run, stored, 0, Rows, rows, batch, results, Rows)));
        if (AmxProduct.Pays(stored, batch))
            AddTiled(stored);
        if (!PackedWeights.Pays(type))
            return;
        var view = Buffer(PackedWeights.Bytes(type, Rows, Columns)).View;
        PackedWeights.Pack(stored, 0, PackedWeights.PanelCount(Rows), view);
        var packed = WeightMatrix.Packed(type, Rows, Columns, view);
        var packedLeast = type is WeightType.IQ4_NL or WeightType.IQ4_XS ? 40 : batch == 1 && !isTable ? 100 : 60;
        AddKind("packed", packed, Activations.KindOf(packed, 1), Least(CpuFeatures.HasVnni ? "512" : "256", packedLeast));
        if (AmxProduct.Pays(packed, batch))
            AddTiled(packed);

        void AddTiled(WeightMatrix weights) => AddKind("AMX", weights, AmxProduct.KindOf(type), 60);

        void AddKind(string name, WeightMatrix weights, ActivationKind kind, double atLeast)
        {
            var tiles = Prepared(kind, batch);
            _cases.Add(new GateCase(
                $"product {type}, batch {batch}", name, atLeast, Scalar, () => MatrixProduct.Multiply(kind, weights, 0, Rows, tiles, batch, results, Rows)));
        }
    }

    private void AddAttention(KvFormat format)
    {
        var pages = Pages(format);
        var (queries, scores, outputs) = (Normal(Group * Dim), new float[Group * Tokens], new float[Group * Dim]);
        var weights = Array.ConvertAll(Normal(Group * Tokens), Math.Abs);
        var page = format.Page(Dim, PageTokens);
        var score = format.Keys.Forms.Last(static form => form.IsSupported);
        _cases.Add(new GateCase(
            $"attention scores {format}, {Group} queries", score.Name, Least(score.Name, score.Name == "vnni" ? 12 : 4.5),
            () => AttentionScores.Variants[0].Run(queries, page.Keys(pages), new RowSet(0, Tokens), 1, scores, Tokens),
            () => AttentionScores.Rows(queries, page.Keys(pages), new RowSet(0, Tokens), 1, scores, Tokens)));
        var value = format.Values.Forms.Last(static form => form.IsSupported);
        _cases.Add(new GateCase(
            $"attention values {format}, {Group} queries", value.Name, Least(value.Name, value.Name == "vnni" ? 10 : 4.5),
            () => AttentionValues.Variants[0].Run(weights, Tokens, page.Values(pages), new RowSet(0, Tokens), outputs),
            () => AttentionValues.Rows(weights, Tokens, page.Values(pages), new RowSet(0, Tokens), outputs)));
    }

    private void AddPrefill(KvFormat format)
    {
        const int Positions = 64;
        const int Queries = Positions * Group;
        if (!TileAttention.Supports(format))
            return;
        var (page, pages) = (format.Page(Dim, PageTokens), Pages(format));
        var (queries, scores, outputs) = (Normal(Queries * Dim), new float[Queries * Tokens], new float[Queries * Dim]);
        var scratch = Buffer(TileAttention.ScratchBytes(Dim, Queries)).View;
        _cases.Add(new GateCase(
            $"attention {format}, {Queries} queries", "tiles", 20,
            () =>
            {
                AttentionScores.Variants[0].Run(queries, page.Keys(pages), new RowSet(0, Tokens), 1, scores, Tokens);
                for (var query = 0; query < Queries; query++)
                    Softmax.Variants[0].Run(scores.AsSpan(query * Tokens, Tokens), 100);
                AttentionValues.Variants[0].Run(scores, Tokens, page.Values(pages), new RowSet(0, Tokens), outputs);
            },
            () => TileAttention.Run(
                queries, page.Keys(pages), page.Values(pages),
                new CausalView(Tokens - Positions, Group, null), scratch, outputs)));
    }

    private nint[] Pages(KvFormat format)
    {
        var layout = format.Page(Dim, PageTokens);
        var pages = new nint[Tokens / PageTokens];
        var memory = Buffer((long)pages.Length * layout.Bytes);
        for (var page = 0; page < pages.Length; page++)
            pages[page] = memory.View.Slice((long)page * layout.Bytes, layout.Bytes).Address;
        var row = Normal(Dim);
        for (var token = 0; token < Tokens; token++)
        {
            layout.Keys(pages).Encode(token, row);
            layout.Values(pages).Encode(token, row);
        }

        return pages;
    }

    public void Add(GateCase added) => _cases.Add(added);

    /// <summary>Adds the last variant that this machine supports, beside the first.</summary>
    /// <param name="least">With vectors of 512 bits.</param>
    public void Add<TDelegate>(string name, double least, Variant<TDelegate>[] variants, Action<TDelegate> call)
        where TDelegate : Delegate
    {
        _tables.Add(variants);
        var fastest = Array.FindLast(variants, static variant => variant.IsSupported);
        _cases.Add(new GateCase(name, fastest.Name, Least(fastest.Name, least), () => call(variants[0].Run), () => call(fastest.Run)));
    }

    // Narrow vectors gain less, and a machine without any has nothing to lose.
    private static double Least(string variant, double wide) => variant switch
    {
        "scalar" => 0,
        "128" => 1.1,
        "256" => Math.Min(wide, Math.Max(wide / 2, 1.2)),
        _ => wide,
    };

    private byte[] Prepared(ActivationKind kind, int batch)
    {
        var prepared = new byte[batch * Activations.RowBytes(kind, Columns)];
        for (var b = 0; b < batch; b++)
            Activations.Prepare(kind, Normal(Columns), b, batch, prepared);
        return prepared;
    }

    private NativeView Filled(long bytes)
    {
        var view = Buffer(bytes).View;
        // Small positive numbers in every format, whatever the bytes are taken for.
        view.Span(0, (int)bytes).Fill(0x21);
        return view;
    }

    private NativeBuffer Buffer(long bytes)
    {
        var buffer = new NativeBuffer(bytes);
        _buffers.Add(buffer);
        return buffer;
    }

    /// <summary>Random numbers from -1 to 1.</summary>
    public float[] Normal(int count)
    {
        var values = new float[count];
        for (var i = 0; i < count; i++)
            values[i] = _random.NextSingle() * 2 - 1;
        return values;
    }
}
