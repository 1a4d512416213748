using BenchmarkDotNet.Attributes;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Amx;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Elementwise;
using Kvasir.Kernels.Memory;

namespace Kvasir.Bench.Attention;

/// <summary>Attention of a prompt's last queries, four to a position, over 4,096 rows of 128: by AMX tiles, and as floats.</summary>
public class TileAttentionBench : IDisposable
{
    private const int Dim = 128;
    private const int Rows = 4096;
    private const int BlockRows = 128;
    private const int PageTokens = 32;
    private const int Group = 4;

    private readonly nint[] _pages = new nint[Rows / PageTokens];
    private PageLayout _page = KvFormat.BF16.Page(Dim, PageTokens);
    private NativeBuffer? _memory;
    private NativeBuffer? _scratch;
    private float[] _queries = [];
    private float[] _scores = [];
    private float[] _outputs = [];

    [Params("bf16", "q8")]
    public string Format { get; set; } = KvFormat.BF16.Name;

    [Params(8, 16, 64, 512)]
    public int Queries { get; set; }

    [GlobalSetup]
    public void FillPages()
    {
        var random = new Random(1);
        _page = KvFormat.Find(Format)!.Page(Dim, PageTokens);
        var pageBytes = _page.Bytes;
        _memory = new NativeBuffer(_pages.Length * pageBytes);
        for (var page = 0; page < _pages.Length; page++)
            _pages[page] = _memory.View.Slice(page * pageBytes, pageBytes).Address;
        for (var row = 0; row < Rows; row++)
        {
            Keys().Encode(row, DecodeAttentionBench.Normal(random, Dim));
            Values().Encode(row, DecodeAttentionBench.Normal(random, Dim));
        }

        _queries = [.. DecodeAttentionBench.Normal(random, Queries * Dim).Select(x => x / MathF.Sqrt(Dim))];
        (_scores, _outputs) = (new float[Queries * BlockRows], new float[Queries * Dim]);
        _scratch = new NativeBuffer(TileAttention.ScratchBytes(Dim, Queries));
    }

    /// <summary>Nothing where the machine has no AMX.</summary>
    [Benchmark]
    public void Tiles()
    {
        if (TileAttention.Supports(_page.Format))
            TileAttention.Run(_queries, Keys(), Values(), new CausalView(Rows - (Queries / Group), Group, null), _scratch!.View, _outputs);
    }

    [Benchmark]
    public void Floats()
    {
        for (var row = 0; row < Rows; row += BlockRows)
        {
            AttentionScores.Rows(_queries, Keys(), new RowSet(row, BlockRows), 1, _scores, BlockRows);
            for (var query = 0; query < Queries; query++)
                Softmax.Exponentials(_scores.AsSpan(query * BlockRows, BlockRows), 8);
            AttentionValues.Rows(_scores, BlockRows, Values(), new RowSet(row, BlockRows), _outputs);
        }
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _memory?.Dispose();
        _scratch?.Dispose();
        GC.SuppressFinalize(this);
    }

    private PagedRows Keys() => _page.Keys(_pages);

    private PagedRows Values() => _page.Values(_pages);
}
