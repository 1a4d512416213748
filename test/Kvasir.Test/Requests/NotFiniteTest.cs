using Kvasir.Attention;
using Kvasir.Attention.Audit;
using Kvasir.Attention.Heads;
using Kvasir.Attention.Policies;
using Kvasir.Kernels.Attention.Formats;
using Kvasir.Measurement;
using Kvasir.Models.Configs;
using Kvasir.Test.Models;

namespace Kvasir.Test.Requests;

/// <summary>A weight that is no number, and what a model with it may not do unsaid.</summary>
public sealed class NotFiniteTest : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("blk.2.ffn_down.weight", float.NaN, "bf16")]
    [InlineData("blk.2.ffn_down.weight", float.PositiveInfinity, "bf16")]
    [InlineData("blk.0.attn_k.weight", float.NaN, "f32")]
    [InlineData("blk.0.attn_k.weight", float.NaN, "bf16")]
    [InlineData("blk.0.attn_k.weight", float.NaN, "q8")]
    [InlineData("blk.0.attn_k.weight", float.NaN, "int8")]
    [InlineData("blk.0.attn_v.weight", float.NaN, "int8-channel")]
    [InlineData("blk.4.attn_q.weight", float.NaN, "q8")]
    [InlineData("blk.4.attn_output.weight", float.NegativeInfinity, "q8")]
    public void TheFirstStepSaysSo(string tensor, float value, Kv kv)
    {
        using var model = Model.Load(DamagedModel.Write(_folder, tensor, value, index: 5));
        using var engine = new Engine(model, new EngineOptions { Threads = 1, Kv = kv, KvMemoryBytes = 16 << 20 });
        var seen = 0;
        var prompt = model.Tokenizer.Encode(Generation.Opening);
        var answer = Generation.Run(engine, prompt, Generation.Greedy(10) with { Logits = (_, _) => seen++ });
        Assert.Equal((FinishReason.Failed, 0, 0), (answer.Sequence.Finish, answer.Tokens.Length, seen));
        Assert.Equal(KvasirError.NotFinite, answer.Sequence.Failure!.Error);
        Assert.Contains($"step 0, behind the token at position {prompt.Length - 1}: 512 of 512 logits", answer.Sequence.Failure.Message, StringComparison.Ordinal);
        Assert.Equal(0, engine.KvBytesInUse);
        engine.Verify();
    }

    // The row of one token in the output: every other logit is a number.
    [Fact]
    public void OneLogitIsEnough()
    {
        using var model = Model.Load(DamagedModel.Write(_folder, "token_embd.weight", float.NaN, index: (300 * 64) + 7));
        using var engine = new Engine(model, new EngineOptions { Threads = 1, KvMemoryBytes = 16 << 20 });
        var answer = Generation.Run(engine, model.Tokenizer.Encode(Generation.Opening), Generation.Greedy(10));
        Assert.Contains("1 of 512 logits are not finite (token 300 has NaN)", answer.Sequence.Failure!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void NeitherABenchNorAStudyNorACalibrationIsMadeOfIt()
    {
        using var model = Model.Load(DamagedModel.Write(_folder, "blk.2.ffn_down.weight", float.NaN));
        using var engine = new Engine(model, new EngineOptions { Threads = 1, KvMemoryBytes = 16 << 20 });
        var prompt = model.Tokenizer.Encode("Once upon a time there was a little girl and a big dog");
        using (var probe = new EngineProbe(engine, PolicyCatalog.Parse("dense"), 40, 1))
        {
            AssertNotFinite(() => probe.Prefill(20));
            AssertNotFinite(() => probe.Decode(1, 4));
        }

        AssertNotFinite(() => new AttentionProbe(engine, [PolicyCatalog.Parse("psa")], 4).Run(prompt));
        var path = _folder.File("axes");
        AssertNotFinite(() => KeyCalibration.Run(engine, prompt, path));
        Assert.False(File.Exists(path));
        engine.Verify();
        Assert.Equal(0, engine.KvBytesInUse);
    }

    [Fact]
    public void AnAuditOfWhatIsNoNumberIsNone()
    {
        var shape = new AttentionShape(1, 2, 1, 4, null);
        var comparison = new DenseComparison(shape);
        comparison.RequireFinite(0, 0);
        comparison.Begin();
        float[] scores = new float[2 * AttentionScratch.DecodeRows];
        scores[0] = float.NaN;
        comparison.Keep(scores, 1, AttentionScratch.DecodeRows);
        comparison.Take(scores, 1, AttentionScratch.DecodeRows);
        var audit = new AttentionAudit(1, 1, shape, "x", AttentionMeter.Shared);
        using var scratch = new AttentionScratch(shape, KvFormat.F32, 64);
        using var cache = new Kvasir.Cache.KvCache(KvFormat.F32, 1, 1, 4, 1 << 20);
        var rows = cache.Open(32);
        Assert.True(rows.TryReserve(2));
        for (var row = 0; row < 2; row++)
            rows.Head(0, 0).Append([float.NaN, 0, 0, 0], [1, 0, 0, 0]);
        var sum = scratch.Sum(2);
        sum.Reset();
        sum.Finish();
        comparison.Compare(new HeadQuery(rows.Head(0, 0), new float[8], 0, 2, scratch.Selector), sum, scratch);
        AssertNotFinite(() => audit.Add(0, (0, 0), comparison, 1));
    }

    private static void AssertNotFinite(Action run) => Assert.Equal(KvasirError.NotFinite, Assert.Throws<KvasirException>(run).Error);
}
