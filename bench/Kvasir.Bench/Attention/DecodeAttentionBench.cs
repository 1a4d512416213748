using BenchmarkDotNet.Attributes;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;

namespace Kvasir.Bench.Attention;

/// <summary>
/// One thread over the cache of one layer of an 8-billion-parameter Llama: 8 KV heads of 128, 24576 tokens, 4 queries a head. The floor is
/// the bytes of keys or values by the memory's bandwidth: 50 MB each in bf16, 27 MB in q8.
/// </summary>
public class DecodeAttentionBench : IDisposable
{
    private const int Heads = 8;
    private const int Dim = 128;
    private const int Tokens = 24576;
    private const int PageTokens = 32;
    private const int SelectedEvery = 50;

    private readonly nint[][] _pages = new nint[Heads][];
    private readonly int[] _selected = new int[Tokens / SelectedEvery];
    private PageLayout _page = KvFormat.BF16.Page(Dim, PageTokens);
    private NativeBuffer? _memory;
    private float[] _queries = [];
    private float[] _scores = [];
    private float[] _weights = [];
    private float[] _outputs = [];

    [Params("bf16", "q8", "f32")]
    public string Format { get; set; } = KvFormat.BF16.Name;

    [Params(1, 4, 8)]
    public int Group { get; set; }

    [GlobalSetup]
    public void FillPages()
    {
        const int PageCount = Tokens / PageTokens;
        var random = new Random(1);
        _page = KvFormat.Find(Format)!.Page(Dim, PageTokens);
        var pageBytes = _page.Bytes;
        _memory = new NativeBuffer((long)Heads * PageCount * pageBytes);
        (_queries, _scores, _outputs) = (Normal(random, Group * Dim), new float[Group * Tokens], new float[Group * Dim]);
        // As softmax makes them: none is negative.
        _weights = Array.ConvertAll(Normal(random, Group * Tokens), Math.Abs);
        var row = Normal(random, Dim);

        // Heads take turns at pages, as they do when a sequence grows.
        for (var head = 0; head < Heads; head++)
        {
            _pages[head] = new nint[PageCount];
            for (var page = 0; page < PageCount; page++)
                _pages[head][page] = _memory.View.Slice(((long)page * Heads + head) * pageBytes, pageBytes).Address;
            for (var token = 0; token < Tokens; token++)
            {
                _page.Keys(_pages[head]).Encode(token, row);
                _page.Values(_pages[head]).Encode(token, row);
            }
        }

        for (var i = 0; i < _selected.Length; i++)
            _selected[i] = i * SelectedEvery + random.Next(SelectedEvery);
    }

    [Benchmark]
    public void Scores()
    {
        foreach (var pages in _pages)
            AttentionScores.Rows(_queries, _page.Keys(pages), new RowSet(0, Tokens), 0.1f, _scores, Tokens);
    }

    [Benchmark]
    public void Values()
    {
        foreach (var pages in _pages)
            AttentionValues.Rows(_weights, Tokens, _page.Values(pages), new RowSet(0, Tokens), _outputs);
    }

    /// <summary>2 % of the rows, gathered: mostly from the last cache level here, since repeated runs visit the same ones.</summary>
    [Benchmark]
    public void SelectedScoresAndValues()
    {
        foreach (var pages in _pages)
        {
            AttentionScores.Rows(_queries, _page.Keys(pages), new RowSet(_selected), 0.1f, _scores, Tokens);
            AttentionValues.Rows(_weights, Tokens, _page.Values(pages), new RowSet(_selected), _outputs);
        }
    }

    [GlobalCleanup]
    public void Dispose()
    {
        _memory?.Dispose();
        GC.SuppressFinalize(this);
    }

    internal static float[] Normal(Random random, int count)
    {
        var x = new float[count];
        for (var i = 0; i < count; i++)
            x[i] = random.NextSingle() - 0.5f;
        return x;
    }
}
