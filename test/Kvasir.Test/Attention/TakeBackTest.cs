using Kvasir.Attention;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Test.Attention.Policies;

namespace Kvasir.Test.Attention;

/// <summary>Rows that are taken back leave no trace in any policy's selectors, whatever steps have taught them.</summary>
public sealed class TakeBackTest
{
    private static readonly KvFormat Kv = KvFormat.F32;
    private const int MaxRows = 320;
    private const int Told = 0;
    private const int Rejected = 1;
    private const int Later = 2;
    private static readonly TakeBackLimits Few = new(Steps: 12, Marks: 12);

    // What these learn shows in few steps.
    private static readonly string[] Quick =
    [
        "magicpig:bits=4,tables=12,segment=64,sinks=3,recent=5,dense-layers=none,min-context=0",
        "psa:block=2,coverage=0.995,sinks=0,recent=1,min-context=0",
        "psa:block=2,coverage=0.7,sinks=0,recent=1,min-context=0",
        "alisa:ratio=0.2,scoring=dense,observed=20,min-context=0",
        "alisa:ratio=0.01,probe-every=3,observed=20,min-context=0",
        "alisa:ratio=0.2,sum=window,probe-every=3,observed=20,min-context=0",
        "guarded:epsilon=0.9,delta=0.4,pilot=16,sinks=2,recent=4,min-context=140",
        "h2o:heavy=0.05,newest=0.02,observed=20,recent=2,min-context=0",
    ];

    public static TheoryData<string> Learners => [.. Quick];

    public static TheoryData<string> Policies => [.. Quick, .. PolicyConformanceTest.Policies];

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Policies))]
    public void StepsThatAreTakenBackLeaveNoTrace(string policy) => Each(policy, static (place, parsed, promptRows, random, seed, what) =>
    {
        var (before, rejected, kept) = (random.Next(10), 1 + random.Next(10), random.Next(3));
        kept = Math.Min(kept, rejected - 1);
        using var plain = new SteppedHead(parsed, place, Kv, seed);
        using var tried = new SteppedHead(parsed, place, Kv, seed);
        foreach (var head in new[] { plain, tried })
        {
            head.Prompt(Told, promptRows);
            for (var step = 0; step < before; step++)
                head.Step(Told);
        }

        plain.Mark();
        for (var step = 0; step < rejected; step++)
        {
            tried.Mark();
            tried.Step(Rejected);
        }

        tried.Truncate(promptRows + before + kept);
        for (var step = 0; step < kept; step++)
            plain.Step(Rejected);
        AssertGoOnAlike(plain, tried, promptRows, $"{what}, {before} steps, {kept} of {rejected} kept");
    });

    [Theory]
    [Trait("Needs", "Minutes")]
    [MemberData(nameof(Policies))]
    public void TheSameRowsCanBeTakenBackAgain(string policy) => Each(policy, static (place, parsed, promptRows, _, seed, what) =>
    {
        using var plain = new SteppedHead(parsed, place with { TakeBack = new TakeBackLimits(12, 1) }, Kv, seed);
        using var tried = new SteppedHead(parsed, place with { TakeBack = new TakeBackLimits(12, 1) }, Kv, seed);
        foreach (var head in new[] { plain, tried })
        {
            head.Prompt(Told, promptRows);
            head.Mark();
        }

        for (var turn = 0; turn < 3; turn++)
        {
            for (var step = 0; step < 12; step++)
                tried.Step(Rejected + turn);
            tried.Truncate(promptRows);
        }

        AssertGoOnAlike(plain, tried, promptRows, what);
    });

    [Theory]
    [MemberData(nameof(PolicyConformanceTest.Few), MemberType = typeof(PolicyConformanceTest))]
    [MemberData(nameof(PolicyConformanceTest.Others), MemberType = typeof(PolicyConformanceTest), Traits = ["Needs", "Seconds"])]
    [MemberData(nameof(Learners), Traits = ["Needs", "Seconds"])]
    public void APromptThatIsTakenBackIntoBeginsAnew(string policy) => Each(policy, static (place, parsed, promptRows, random, seed, what) =>
    {
        var left = Math.Max(0, promptRows - parsed.ObservedPromptRows - 1 - random.Next(8));
        using var plain = new SteppedHead(parsed, place, Kv, seed);
        using var tried = new SteppedHead(parsed, place, Kv, seed);
        tried.Prompt(Told, promptRows);
        for (var step = 0; step < 6; step++)
            tried.Step(Told);
        tried.Truncate(left);
        if (left > 0)
        {
            // Told first, and gone on with otherwise.
            plain.Prompt(Told, left);
            plain.Truncate(Math.Max(0, left - 1 - parsed.ObservedPromptRows));
            tried.Truncate(plain.RowCount);
        }

        plain.Prompt(Later, promptRows + 2);
        tried.Prompt(Later, promptRows + 2);
        AssertGoOnAlike(plain, tried, promptRows + 2, $"{what}, {left} left", comparesBytes: false);
    });

    [Fact]
    public void WhatWasNotMarkedIsRefused()
    {
        using var head = new SteppedHead(PolicyCatalog.Parse("h2o:heavy=0.05,newest=0.02,observed=20,recent=2,min-context=0"), Place(1), Kv, 1);
        head.Prompt(Told, 64);
        head.Mark();
        head.Step(Told);
        head.Step(Told);
        Assert.ThrowsAny<Exception>(() => head.Truncate(65));
    }

    private static HeadPlace Place(int group) => new(0, 1, 0, group, 8, MaxRows) { TakeBack = Few };

    private static void Each(string policy, Action<HeadPlace, AttentionPolicy, int, Random, ulong, string> check)
    {
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        foreach (var group in new[] { 1, 3, 7 })
        {
            foreach (var promptRows in new[] { 31, 32, 33, 123, 200 })
                check(Place(group), KeyAxesFile.Parse(policy), promptRows, random, (ulong)random.NextInt64(), $"{policy}, seed {seed}, group of {group}, prompt of {promptRows}");
        }
    }

    private static void AssertGoOnAlike(SteppedHead plain, SteppedHead tried, int promptRows, string what, bool comparesBytes = true)
    {
        for (var step = 0; step < 20; step++)
        {
            Assert.True(plain.RowCount == tried.RowCount, what);
            Assert.True(plain.Step(Later).AsSpan().SequenceEqual(tried.Step(Later)), $"{what}: another output or other rows at step {step} behind");
            Assert.True(!comparesBytes || plain.IndexBytes == tried.IndexBytes, $"{what}: {plain.IndexBytes} and {tried.IndexBytes} bytes of index at step {step}");
            Assert.InRange(tried.IndexBytes, 0, tried.IndexBytesAllowed(promptRows));
        }
    }
}
