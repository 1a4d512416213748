using BenchmarkDotNet.Attributes;
using Kvasir.Kernels.Attention;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;

namespace Kvasir.Bench.Attention;

/// <summary>Every form of the kernels with as many queries as a prompt brings: 512 rows of 128, 2 * queries * 512 * 128 operations.</summary>
public class PrefillAttentionBench : IDisposable
{
    private const int Dim = 128;
    private const int Rows = 512;
    private const int PageTokens = 32;

    private static readonly PageLayout Page = KvFormat.BF16.Page(Dim, PageTokens);
    private readonly nint[] _pages = new nint[Rows / PageTokens];
    private NativeBuffer? _memory;
    private float[] _queries = [];
    private float[] _scores = [];
    private float[] _outputs = [];
    private ScoresFunc? _scoresKernel;
    private ValuesFunc? _valuesKernel;

    public static string[] KernelNames =>
        Array.ConvertAll(Array.FindAll(AttentionScores.Variants, variant => variant.IsSupported), variant => variant.Name);

    [Params(16, 64, 256, 2048)]
    public int Queries { get; set; }

    [ParamsSource(nameof(KernelNames))]
    public string Kernel { get; set; } = "";

    [GlobalSetup]
    public void FillPages()
    {
        var random = new Random(1);
        var pageBytes = Page.Bytes;
        _memory = new NativeBuffer(_pages.Length * pageBytes);
        for (var page = 0; page < _pages.Length; page++)
            _pages[page] = _memory.View.Slice(page * pageBytes, pageBytes).Address;
        for (var row = 0; row < Rows; row++)
        {
            Page.Keys(_pages).Encode(row, DecodeAttentionBench.Normal(random, Dim));
            Page.Values(_pages).Encode(row, DecodeAttentionBench.Normal(random, Dim));
        }

        (_queries, _scores, _outputs) = (DecodeAttentionBench.Normal(random, Queries * Dim), new float[Queries * Rows], new float[Queries * Dim]);
        _scoresKernel = Array.Find(AttentionScores.Variants, variant => variant.Name == Kernel).Run;
        _valuesKernel = Array.Find(AttentionValues.Variants, variant => variant.Name == Kernel).Run;
    }

    [Benchmark]
    public void Scores() => _scoresKernel!(_queries, Page.Keys(_pages), new RowSet(0, Rows), 0.1f, _scores, Rows);

    [Benchmark]
    public void Values() => _valuesKernel!(_scores, Rows, Page.Values(_pages), new RowSet(0, Rows), _outputs);

    [GlobalCleanup]
    public void Dispose()
    {
        _memory?.Dispose();
        GC.SuppressFinalize(this);
    }
}
