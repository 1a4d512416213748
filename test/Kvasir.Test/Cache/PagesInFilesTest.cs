using System.IO.MemoryMappedFiles;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Kernels.Memory;

namespace Kvasir.Test.Cache;

/// <summary>Pages of keys and values that live in files, by a source of slabs that anybody could write: it touches this file alone.</summary>
public sealed class PagesInFilesTest : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("kvasir-pages-");
    private readonly Model _model = Generation.LoadStories();

    public void Dispose()
    {
        _model.Dispose();
        _folder.Delete(recursive: true);
    }

    [Theory]
    [Trait("Needs", "Minutes")]
    [InlineData("bf16", "dense")]
    [InlineData("q8", "quest:share=0.2,page=8,sinks=2,recent=4,dense-layers=none,min-context=0+streaming:recent=100,min-context=0")]
    [InlineData("int8", "h2o:heavy=0.1,newest=0.1,observed=20,recent=4,min-context=0")]
    public void AnswersAreThoseOfPagesInMemory(Kv format, string policy)
    {
        var prompt = _model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Tom and Lily went to the big park to play with a red ball. ", 40)))[..400];
        var requests = new[] { (prompt, Options(policy)), (prompt[..90], Options("dense")) };
        var slabs = new FileSlabs(_folder.FullName);
        var engineOptions = new EngineOptions { Threads = 1, Kv = format, KvMemoryBytes = 16 << 20 };
        using var memory = new Engine(_model, engineOptions);
        var expected = Generation.RunAll(memory, requests);
        using (var files = new Engine(_model, engineOptions with { KvSlabs = slabs }))
        {
            var answers = Generation.RunAll(files, requests);
            for (var i = 0; i < answers.Length; i++)
            {
                Assert.Equal(expected[i].Tokens, answers[i].Tokens);
                Assert.Equal(expected[i].Logprobs, answers[i].Logprobs);
            }

        }

        Assert.True(slabs.Taken > 0);
        Assert.Equal((slabs.Taken, true), (slabs.Returned, slabs.WasWritten));
        Assert.Empty(_folder.EnumerateFiles());
    }

    [Fact]
    public void ASourceThatHasNoMoreIsMemoryThatIsShort()
    {
        var prompt = _model.Tokenizer.Encode("Once upon a time");
        using var engine = new Engine(_model, new EngineOptions { Threads = 1, KvMemoryBytes = 16 << 20, KvSlabs = new FileSlabs(_folder.FullName, most: 1) });
        var answers = Generation.RunAll(engine, [.. Enumerable.Range(0, 6).Select(_ => (prompt, Options("dense")))]);
        // They wait for one another instead of failing.
        Assert.All(answers, answer => Assert.Equal(answers[0].Tokens, answer.Tokens));
    }

    private static GenerationOptions Options(string policy) =>
        Generation.Greedy(60) with { Attention = Kvasir.Attention.Policies.PolicyCatalog.Parse(policy) };

    private sealed unsafe class FileSlabs(string folder, int most = int.MaxValue) : SlabSource
    {
        private readonly Dictionary<nint, (MemoryMappedFile File, MemoryMappedViewAccessor View, string Path)> _files = [];

        public int Taken { get; private set; }

        public int Returned { get; private set; }

        /// <summary>Whether anything was in the files that were given back.</summary>
        public bool WasWritten { get; private set; }

        public override bool TryTake(int bytes, out NativeView slab)
        {
            slab = default;
            if (_files.Count >= most)
                return false;
            var path = Path.Combine(folder, $"slab-{Taken++}");
            var file = MemoryMappedFile.CreateFromFile(path, FileMode.CreateNew, null, bytes);
            var view = file.CreateViewAccessor(0, bytes);
            byte* start = null;
            view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
            slab = new NativeView(start, bytes);
            _files.Add((nint)start, (file, view, path));
            return true;
        }

        public override void Return(NativeView slab)
        {
            if (!_files.Remove(slab.Address, out var taken))
                return;
            taken.View.SafeMemoryMappedViewHandle.ReleasePointer();
            taken.View.Dispose();
            taken.File.Dispose();
            WasWritten |= File.ReadAllBytes(taken.Path).AsSpan().ContainsAnyExcept((byte)0);
            File.Delete(taken.Path);
            Returned++;
        }
    }
}
