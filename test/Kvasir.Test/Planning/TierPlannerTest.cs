using System.Text.RegularExpressions;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Planning;
using Kvasir.Synthetic;

namespace Kvasir.Test.Planning;

public sealed class TierPlannerTest
{
    private static readonly ModelSizes Llama = ModelSizes.Of(SyntheticShape.Parse("llama3.1-8b"), SyntheticWeights.Q4_0);
    private static readonly TierPlanner Planner = new(Llama, PlannedMachine.Bare);

    [Fact]
    public void WhatMemoryHoldsStaysThereAndWhatItDoesNotGoesToDisk()
    {
        // 16 GiB of bf16 rows.
        var roomy = Planner.Plan(new PlanRequest(131_072, 1, 40L << 30, 100L << 30));
        Assert.All(roomy.Ways, static way => Assert.Equal((false, 0), (way.OnFile, way.DiskBytes)));
        Assert.Equal(16L << 30, roomy.Ways[0].Memory.KeysAndValues);
        var narrow = Planner.Plan(new PlanRequest(131_072, 1, 16L << 30, 100L << 30));
        var dense = Assert.Single(narrow.Ways, static way => way is { Attention: "dense", Kv: "bf16" });
        Assert.Equal((true, 16L << 30), (dense.OnFile, dense.DiskBytes));
        Assert.True(dense.Memory.Total <= 16L << 30);
        // Guarded reads from all over, and never from a file.
        Assert.DoesNotContain(narrow.Ways, static way => way.OnFile && way.Attention == "guarded");
    }

    [Fact]
    public void MoreOfAnythingIsNeverWorse()
    {
        var request = new PlanRequest(65_536, 2, 12L << 30, 50L << 30) { Target = PlanTarget.Speed };
        var here = Planner.Best(request)!;
        foreach (var more in new[] { request with { MemoryBytes = 24L << 30 }, request with { DiskBytes = 200L << 30 } })
        {
            var there = Planner.Best(more)!;
            Assert.True(there.TokensPerSecond >= here.TokensPerSecond);
        }

        foreach (var way in Planner.Plan(request).Ways)
        {
            var there = Planner.Plan(request with { MemoryBytes = 24L << 30 }).Ways.Single(other => other.ToString() == way.ToString());
            Assert.True(there.LongestContext >= way.LongestContext, $"{way}: {there.LongestContext} after {way.LongestContext}");
            Assert.True(there.TokensPerSecond >= 0.999 * way.TokensPerSecond, $"{way}: {there.TokensPerSecond} after {way.TokensPerSecond}");
        }
    }

    // A larger batch has to be worth that every answer is slower.
    [Theory]
    [InlineData(24)]
    [InlineData(8)]
    public void ABatchThatNobodyNamesIsTheFastest(long gib)
    {
        var request = new PlanRequest(8192, 0, gib << 30, 0) { Target = PlanTarget.Speed };
        var plan = Planner.Plan(request);
        Assert.InRange(plan.Batch, 2, 64);
        for (var batch = 1; batch <= 64; batch *= 2)
            Assert.True((Planner.Best(request with { Batch = batch })?.TokensPerSecond ?? 0) <= 1.05 * plan.Chosen.TokensPerSecond, $"{batch} after {plan.Batch}");
        Assert.Equal(plan.Chosen.TokensPerSecond, Planner.Best(request with { Batch = plan.Batch })!.TokensPerSecond);
        Assert.Throws<KvasirException>(() => Planner.Plan(request with { MemoryBytes = 1 << 30 }));
    }

    // Sixteen sequences of which memory holds four: FlexGen reads three quarters of all, vLLM computes four, and ALISA reads what comes back.
    [Fact]
    public void PlacementsOfOthersStandBesideTheWays()
    {
        var narrow = Planner.Plan(new PlanRequest(32_768, 16, 22L << 30, 200L << 30) { Kv = KvFormat.BF16 });
        var (flexGen, vllm, alisa) = (Of(PageEviction.FlexGen), Of(PageEviction.Vllm), Of(PageEviction.Alisa));
        var all = 16L << 32;
        Assert.InRange(flexGen.BytesReadPerStep, 0.7 * all, 0.85 * all);
        Assert.Equal(0, vllm.PagesReadPerStep);
        Assert.InRange(vllm.AttentionMs, 0.15 * flexGen.AttentionMs, 0.26 * flexGen.AttentionMs);
        Assert.True(alisa.BytesReadPerStep < flexGen.BytesReadPerStep / 100);
        Assert.True(alisa.TokensPerSecond > flexGen.TokensPerSecond && alisa.TokensPerSecond > vllm.TokensPerSecond, $"{alisa.TokensPerSecond} {vllm.TokensPerSecond} {flexGen.TokensPerSecond}, {alisa.LinearMs} {alisa.AttentionMs} {alisa.ReadMs} {vllm.LinearMs} {vllm.AttentionMs}");
        Assert.True(alisa.AttentionMs < flexGen.AttentionMs / 2);
        Assert.DoesNotContain(narrow.Others, static way => way.IsChosen);
        Assert.Empty(Planner.Plan(new PlanRequest(32_768, 1, 40L << 30, 200L << 30)).Others);

        PlannedWay Of(PageEviction eviction) => Assert.Single(narrow.Others, way => way.KvEviction == eviction);
    }

    // Of 32 layers in bf16, 13.0 GB and 2.1 GB beside, as many as the keys and values of 8192 tokens leave room for in 10 GiB; the disk gives 0.1 GB/s.
    [Fact]
    public void WeightsThatHaveNoPlaceAreReadAtEachStep()
    {
        var model = ModelSizes.Of(SyntheticShape.Parse("llama3.1-8b"), SyntheticWeights.BF16);
        var planner = new TierPlanner(model, PlannedMachine.Bare);
        var (one, many) = (Dense(1), Dense(8));
        Assert.Equal((false, 0), (one.OnFile, one.DiskBytes));
        Assert.InRange(one.Memory.Total, (10L << 30) - (1L << 30), 10L << 30);
        Assert.InRange(one.WeightsMemoryBytes, one.Memory.Weights, 10L << 30);
        Assert.InRange(one.WeightBytesReadPerStep + one.Memory.Weights, model.ResidentBytes, model.ResidentBytes * 1.1);
        Assert.Equal(one.WeightBytesReadPerStep / 1e8, one.StepMs / 1000, 0.1);
        Assert.True(one.ReadMs > one.LinearMs);
        // Once for all of a batch: eight times the keys and values, hardly more to read.
        Assert.InRange(many.TokensPerSecond, 5 * one.TokensPerSecond, 8 * one.TokensPerSecond);
        Assert.Equal(0, planner.Plan(new PlanRequest(8192, 1, 24L << 30, 0)).Chosen.WeightsMemoryBytes);
        var without = new TierPlanner(model, PlannedMachine.Bare with { Store = null });
        Assert.Throws<KvasirException>(() => without.Plan(new PlanRequest(8192, 1, 10L << 30, 0)));

        PlannedWay Dense(int batch) => planner.Plan(new PlanRequest(8192, batch, (10L << 30) + ((batch - 1L) << 30), 0) { Kv = KvFormat.BF16 }).Ways[0];
    }

    [Fact]
    public void TheLongestContextFitsAndAKibitokenMoreDoesNot()
    {
        var request = new PlanRequest(4096, 1, 8L << 30, 0) { Kv = KvFormat.Q8 };
        foreach (var way in Planner.Plan(request).Ways.Where(static way => way.LongestContext > 0))
        {
            Assert.Contains(Planner.Plan(request with { ContextTokens = (int)way.LongestContext }).Ways, other => other.Attention == way.Attention);
            Assert.True(
                Planner.Best(request with { ContextTokens = (int)way.LongestContext + 1024 }) is null
                || Planner.Plan(request with { ContextTokens = (int)way.LongestContext + 1024 }).Ways.All(other => other.Attention != way.Attention), way.ToString());
        }
    }

    [Theory]
    [InlineData(PlanTarget.Quality)]
    [InlineData(PlanTarget.Speed)]
    [InlineData(PlanTarget.Memory)]
    public void WhatIsChosenLosesNothingAndIsWhatTheTargetSays(PlanTarget target)
    {
        var plan = Planner.Plan(new PlanRequest(131_072, 1, 16L << 30, 100L << 30) { Target = target });
        var (exact, chosen) = (plan.Ways.Where(static way => way.LostPoints == 0).ToArray(), plan.Chosen);
        var fastest = exact.Max(static way => way.TokensPerSecond);
        Assert.Equal(0, chosen.LostPoints);
        Assert.True(chosen.TokensPerSecond >= (target == PlanTarget.Speed ? fastest : 0.5 * fastest));
        if (target == PlanTarget.Memory)
            Assert.True(chosen.Memory.Total < Planner.Plan(new PlanRequest(131_072, 1, 16L << 30, 100L << 30)).Chosen.Memory.Total);
        if (target == PlanTarget.Quality)
            Assert.All(exact.TakeWhile(way => way != chosen), way => Assert.True(way.TokensPerSecond < 0.5 * fastest));
    }

    [Theory]
    [InlineData(131_072, 1, 2, 0)]
    [InlineData(131_072, 4, 2, 10)]
    [InlineData(8192, 1, 1, 0)]
    public void ARefusalNamesWhatWouldFit(int tokens, int batch, int gibibytes, int diskGibibytes)
    {
        var request = new PlanRequest(tokens, batch, (long)gibibytes << 30, (long)diskGibibytes << 30);
        var refusal = Assert.Throws<KvasirException>(() => Planner.Plan(request));
        Assert.StartsWith($"{batch} x {tokens} tokens of llama3.1-8b do not fit into {request.MemoryBytes} bytes of memory", refusal.Message, StringComparison.Ordinal);
        var needed = Regex.Match(refusal.Message, @"with (\d+) bytes of memory(?: and (\d+) of disk)?");
        var enough = request with
        {
            MemoryBytes = long.Parse(needed.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture),
            DiskBytes = needed.Groups[2].Success ? long.Parse(needed.Groups[2].Value, System.Globalization.CultureInfo.InvariantCulture) : request.DiskBytes,
        };
        Assert.NotNull(Planner.Best(enough));
        // With less there is nothing, or what loses answers.
        Assert.True(Planner.Best(enough with { MemoryBytes = enough.MemoryBytes - (1 << 20), DiskBytes = request.DiskBytes }) is null or { LostPoints: > 0 });
        if (Regex.Match(refusal.Message, @"or (\d+) tokens each") is { Success: true } shorter)
            Assert.NotNull(Planner.Best(request with { ContextTokens = int.Parse(shorter.Groups[1].Value, System.Globalization.CultureInfo.InvariantCulture) }));
    }

    [Fact]
    public void APlanIsReadAsItWasWrittenAndRefusesAnotherModel()
    {
        using var folder = new TempFolder();
        var plan = Planner.Plan(new PlanRequest(32_768, 2, 16L << 30, 0)) with { KvDirectory = "/data" };
        File.WriteAllText(folder.File("a.plan"), plan.Text());
        var read = TierPlan.Read(folder.File("a.plan"));
        Assert.Equal(plan.Text(), read.Text());
        Assert.Equal(plan.Chosen, read.Chosen);
        read.RequireFits(Llama, "a.plan");
        var other = ModelSizes.Of(SyntheticShape.Parse("llama3.1-8b"), SyntheticWeights.Q8_0);
        var refusal = Assert.Throws<KvasirException>(() => read.RequireFits(other, "a.plan"));
        Assert.Equal(
            $"a.plan is a plan for llama3.1-8b ({Llama.Fingerprint[..12]}), and this is llama3.1-8b ({other.Fingerprint[..12]})", refusal.Message);
    }

    [Theory]
    [InlineData("", "is no plan")]
    [InlineData("{}", "is no plan")]
    [InlineData("null", "is no plan")]
    [InlineData("{\"version\": 7", "is no plan")]
    public void WhatIsNoPlanIsOneLine(string text, string part)
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder.File("a.plan"), text);
        Assert.Contains(part, Assert.Throws<KvasirException>(() => TierPlan.Read(folder.File("a.plan"))).Message, StringComparison.Ordinal);
        Assert.Contains("does not exist", Assert.Throws<KvasirException>(() => TierPlan.Read(folder.File("none"))).Message, StringComparison.Ordinal);
        Assert.Contains("has no figures of a machine", Assert.Throws<KvasirException>(() => MachineFigures.Read(folder.File("a.plan"))).Message, StringComparison.Ordinal);
    }

    // What is not checked here an engine would meet as an option that nobody has typed, or as a null reference.
    [Theory]
    [InlineData("ways", "null", "is no plan")]
    [InlineData("ways", "[null]", "one way of it has to be chosen")]
    [InlineData("ways", "[]", "one way of it has to be chosen")]
    [InlineData("machine", "null", "is no plan")]
    [InlineData("machine", "{}", "is no plan")]
    [InlineData("model", "null", "is no plan")]
    [InlineData("fingerprint", "null", "is no plan")]
    [InlineData("version", "2", "its version is 2, and this program reads 1")]
    [InlineData("contextTokens", "0", "its contextTokens is 0, and must be from 1 to 2147483647")]
    [InlineData("contextTokens", "1e12", "is no plan")]
    [InlineData("batch", "-1", "its batch is -1, and must be from 1 to 2147483647")]
    [InlineData("memoryBytes", "0", "its memoryBytes is 0, and must be from 1")]
    [InlineData("diskBytes", "-1", "its diskBytes is -1, and must be from 0")]
    [InlineData("target", "77", "its target is 77, which there is not")]
    [InlineData("target", "null", "is no plan")]
    [InlineData("kvDirectory", "\"\"", "its kvDirectory is an empty name")]
    [InlineData("ways[0].attention", "null", "is no plan")]
    [InlineData("ways[0].kv", null, "is no plan")]
    [InlineData("ways[0].memory", "null", "is no plan")]
    [InlineData("ways[0].kvMemoryBytes", "-1", "its kvMemoryBytes of the chosen way is -1, and must be from 1")]
    [InlineData("machine.matrices", "null", "is no plan")]
    [InlineData("machine.matrices", "[null]", "matrices and attention hold null")]
    [InlineData("machine.attention", "[null]", "matrices and attention hold null")]
    [InlineData("machine.attention", "[{\"policy\":null,\"kv\":\"bf16\",\"dim\":8,\"groupHeads\":1,\"headUs\":1,\"rowNs\":1}]", "is no plan")]
    [InlineData("machine.attention", "[{\"policy\":\"dense\",\"kv\":\"bf16\",\"dim\":8,\"groupHeads\":1,\"headUs\":-5,\"rowNs\":1}]", "attention.headUs is -5")]
    [InlineData("machine.cores", "0", "cores is 0, and must be from 1")]
    public void APlanWithOneThingChangedIsOneLineThatNamesIt(string key, string? value, string part)
    {
        using var folder = new TempFolder();
        var plan = System.Text.Json.Nodes.JsonNode.Parse(Planner.Plan(new PlanRequest(32_768, 2, 16L << 30, 0)).Text())!.AsObject();
        plan["ways"] = new System.Text.Json.Nodes.JsonArray(plan["ways"]!.AsArray().First(static way => way!["isChosen"]!.GetValue<bool>())!.DeepClone());
        var parent = key.StartsWith("ways[0].", StringComparison.Ordinal) ? plan["ways"]![0]! : key.StartsWith("machine.", StringComparison.Ordinal) ? plan["machine"]! : plan;
        var name = key.Split('.')[^1];
        if (value is null)
            parent.AsObject().Remove(name);
        else
            parent[name] = System.Text.Json.Nodes.JsonNode.Parse(value);
        var path = folder.Write("a.plan", plan.ToJsonString());
        var message = Assert.Throws<KvasirException>(() => TierPlan.Read(path)).Message;
        Assert.StartsWith(path, message, StringComparison.Ordinal);
        Assert.Contains(part, message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', message);
    }

    [Fact]
    public void AnEditorsEncodingIsNoDamage()
    {
        using var folder = new TempFolder();
        var plan = Planner.Plan(new PlanRequest(32_768, 2, 16L << 30, 0));
        foreach (var encoding in new System.Text.Encoding[] { new System.Text.UTF8Encoding(true), System.Text.Encoding.Unicode, System.Text.Encoding.BigEndianUnicode })
        {
            File.WriteAllText(folder.File("a.plan"), plan.Text(), encoding);
            Assert.Equal(plan.Text(), TierPlan.Read(folder.File("a.plan")).Text());
            File.WriteAllText(folder.File("a.json"), plan.Machine.Text(), encoding);
            Assert.Equal(plan.Machine.Text(), MachineFigures.Read(folder.File("a.json")).Text());
        }
    }

    [Fact]
    public void EveryProfileIsSoundAndPlansForAModelThatItHolds()
    {
        Assert.Equal(MachineProfiles.All.Count, MachineProfiles.Names.Distinct().Count());
        Assert.All(MachineProfiles.All, static profile =>
        {
            profile.RequireSound(profile.Name);
            var plan = new TierPlanner(Llama, profile).Plan(new PlanRequest(32_768, 1, profile.MemoryBytes / 10 * 9, 0));
            // A dense step reads the weights at the card's bandwidth, and takes no less.
            var ms = 1000 * Llama.Matrices.Sum(static matrix => matrix.StoredBytes) / profile.ReadBytesPerSecond;
            Assert.InRange(plan.Ways[0].LinearMs, ms * 0.99, ms * 1.2);
        });
    }
}
