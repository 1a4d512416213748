using Kvasir.Attention.Policies;
using Kvasir.Kernels.Memory;
using Kvasir.Tiers;

namespace Kvasir.Test.Tiers;

/// <summary>Pages in real files without names.</summary>
public sealed class ScratchStoreTest : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void PagesComeBackAndNothingIsLeft()
    {
        using var memory = NativeBuffer.Uninitialized(4 << 20);
        using var store = ScratchStore.In(_folder.Path, 300 << 20, 1 << 20)(5000);
        Assert.Equal((8192, (300 << 20) / 8192), (store.PageBytes, store.PageCount));
        // Files of 256 MiB: a run ends where one does.
        Assert.Equal((32768, 1, 1), (store.RunFrom(0), store.RunFrom(32767), store.RunFrom(store.PageCount - 1)));
        foreach (var page in new[] { 32766, 0, 32768, store.PageCount - 2 })
        {
            var run = memory.View.Slice(0, 2 * 8192);
            for (var i = 0; i < 2; i++)
                run.Span(i * 8192, 8192).Fill((byte)(page + i));
            store.Write(page, run);
            var back = memory.View.Slice(1 << 20, 8192);
            store.Read(page + 1, back);
            Assert.False(back.Span(0, 8192).ContainsAnyExcept((byte)(page + 1)));
        }

        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
    }

    [Fact]
    public void WhatCannotBeIsOneLine()
    {
        Assert.Contains("less than the KV memory", Refusal(() => ScratchStore.In(_folder.Path, 1 << 20, 2 << 20)), StringComparison.Ordinal);
        Assert.Contains(
            "no file for keys and values can be made in", Refusal(() => ScratchStore.In(_folder.File("none"), 1 << 20, 1 << 20)(4096)), StringComparison.Ordinal);
        Assert.EndsWith(": there is no such folder", Refusal(() => ScratchStore.In(_folder.File("none"), 1 << 20, 1 << 20)(4096)), StringComparison.Ordinal);
        Assert.EndsWith(": it is no folder", Refusal(() => ScratchStore.In(_folder.Write("file", "x"), 1 << 20, 1 << 20)(4096)), StringComparison.Ordinal);
        Assert.Contains("less than one page", Refusal(() => ScratchStore.In(_folder.Path, 4095, 10)(10)), StringComparison.Ordinal);
        using var model = Generation.LoadStories();
        Assert.Contains(
            "empty name", Refusal(() => new Engine(model, new EngineOptions { Threads = 1, KvDirectory = "" })), StringComparison.Ordinal);
        Assert.Contains(
            "has no folder to lie in", Refusal(() => new Engine(model, new EngineOptions { Threads = 1, KvDiskBytes = 1 << 30 })), StringComparison.Ordinal);
    }

    // Of each page a table says where it is, and that is in memory.
    [Fact]
    public void ALimitBeyondTheDeviceCountsAsAllOfTheDevice()
    {
        var device = new DriveInfo(_folder.Path).TotalSize;
        using var store = ScratchStore.In(_folder.Path, long.MaxValue, 1 << 20)(1 << 20);
        Assert.Equal(device >> 20, store.PageCount);
    }

    [Fact]
    [Trait("Needs", "Minutes")]
    public void AnEngineComputesOnThem()
    {
        using var model = Generation.LoadStories();
        var prompt = Enumerable.Range(0, 500).Select(static i => 3 + (i * 13 % 400)).ToArray();
        var options = new EngineOptions { Threads = 2, KvMemoryBytes = 16 << 20, ContextTokens = 1024 };
        var generation = Generation.Greedy(12) with { Attention = PolicyCatalog.Parse("quest:share=0.2,page=8,recent=4,dense-layers=0,min-context=0") };
        var expected = Generation.Run(model, options, prompt, generation);
        using var engine = new Engine(model, options with { KvMemoryBytes = 160 << 10, KvDirectory = _folder.Path, KvDiskBytes = 16 << 20 });
        var answer = Generation.Run(engine, prompt, generation);
        Assert.Null(answer.Sequence.Failure);
        Assert.Equal(expected.Tokens, answer.Tokens);
        Assert.Equal(expected.Logprobs, answer.Logprobs);
        Assert.True(engine.Figures.KvFiles!.Value.ReadBytes > 0);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder.Path));
        if (OperatingSystem.IsWindows())
            return;
        // Files without names outlive their folder.
        Directory.Delete(_folder.Path);
        var again = Generation.Run(engine, prompt, generation);
        Directory.CreateDirectory(_folder.Path);
        Assert.Null(again.Sequence.Failure);
        Assert.Equal(expected.Tokens, again.Tokens);
    }

    private static string Refusal(Func<object> make) => Assert.Throws<KvasirException>(make).Message;
}
