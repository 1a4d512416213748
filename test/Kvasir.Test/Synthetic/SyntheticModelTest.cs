using Kvasir.Kernels.Matrix;
using Kvasir.Synthetic;
using Kvasir.Test.Models;

namespace Kvasir.Test.Synthetic;

public sealed class SyntheticModelTest
{
    // Layers: 973,078,528 weights of 18, 34 or 64 bytes for each 32; the tied embedding of 128,256 x 2,048 comes with them, as Q6_K in
    // the 4-bit mixes: 210 bytes for each 256. In Q4_K_M, eight of sixteen layers have two matrices of 6 bits.
    [Theory]
    [InlineData("llama3.2-1b", SyntheticWeights.Q4_0, 762_826_752)]
    [InlineData("llama3.2-1b", SyntheticWeights.Q8_0, 1_312_980_992)]
    [InlineData("llama3.2-1b", SyntheticWeights.Q4_K_M, 799_592_448)]
    [InlineData("llama3.2-1b", SyntheticWeights.BF16, 2_471_493_632)]
    [InlineData("llama3.2-1b:1", SyntheticWeights.Q4_0, 249_679_872)]
    [InlineData("llama3.1-8b", SyntheticWeights.Q4_0, 4_652_310_528)]
    public void MatricesHaveTheSizesOfTheRealModels(string name, SyntheticWeights weights, long bytes)
    {
        var shape = SyntheticShape.Parse(name);
        using var tensors = new SyntheticTensors(shape, weights, seed: 1);
        var vectors = sizeof(float) * (long)shape.Config.Width * ((2 * shape.Config.LayerCount) + 1);
        Assert.Equal(bytes, tensors.Bytes - vectors);
    }

    [Theory]
    [InlineData(SyntheticWeights.Q4_0, WeightType.Q6_K, WeightType.Q4_0)]
    [InlineData(SyntheticWeights.Q8_0, WeightType.Q8_0, WeightType.Q8_0)]
    [InlineData(SyntheticWeights.Q4_K_M, WeightType.Q6_K, WeightType.Q4_K)]
    [InlineData(SyntheticWeights.BF16, WeightType.BF16, WeightType.BF16)]
    public void WeightsAreSpreadAsTrainedOnes(SyntheticWeights weights, WeightType embedding, WeightType query)
    {
        using var model = Model.Synthetic("tiny", weights, seed: 3, TestModels.AsStored);
        Assert.Equal((embedding, query), (model.Weights.Embedding.Type, model.Weights.Layers[0].Query.Type));
        foreach (var matrix in new[] { model.Weights.Embedding, model.Weights.Layers[1].Query, model.Weights.Layers[1].Down })
        {
            var values = Decode(matrix);
            Assert.All(values, static value => Assert.True(float.IsFinite(value)));
            var mean = values.Average();
            var deviation = Math.Sqrt(values.Average(value => (value - mean) * (value - mean)));
            Assert.InRange(mean, -0.001, 0.001);
            Assert.InRange(deviation, 0.015, 0.025);
        }
    }

    [Fact]
    public void ASeedGivesTheSameWeightsAgain()
    {
        using var first = Model.Synthetic("tiny", seed: 5, options: TestModels.AsStored);
        using var again = Model.Synthetic("tiny", seed: 5, options: TestModels.AsStored);
        using var other = Model.Synthetic("tiny", seed: 6, options: TestModels.AsStored);
        Assert.Equal(Decode(first.Weights.Layers[1].Up), Decode(again.Weights.Layers[1].Up));
        Assert.NotEqual(Decode(first.Weights.Layers[1].Up), Decode(other.Weights.Layers[1].Up));
        Assert.NotEqual(Decode(first.Weights.Layers[1].Up), Decode(first.Weights.Layers[1].Gate));
    }

    [Theory]
    [InlineData("llama4", "synthetic model 'llama4' is unknown; known: llama3.2-1b, llama3.2-3b, llama3.1-8b, qwen3-4b, qwen3-30b-a3b, granite-3-2b, phi-4-mini, gemma-3-4b, gemma-4-26b-a4b, tiny, each with :LAYERS for fewer layers")]
    [InlineData("qwen3-4b:0", "synthetic model 'qwen3-4b:0': the layers after the colon are a whole number from 1 to 36")]
    [InlineData("qwen3-4b:37", "synthetic model 'qwen3-4b:37': the layers after the colon are a whole number from 1 to 36")]
    [InlineData("tiny:", "synthetic model 'tiny:': the layers after the colon are a whole number from 1 to 2")]
    public void UnknownShapesAndLayersAreNamed(string name, string message) =>
        Assert.Equal((KvasirError.BadOption, message), (Refusal(name).Error, Refusal(name).Message));

    [Fact]
    public void ItGenerates()
    {
        using var model = Model.Synthetic("tiny");
        var answer = Generation.Run(model, new EngineOptions { Threads = 1, KvMemoryBytes = 1 << 20, ContextTokens = 64 }, model.Tokenizer.Encode("Hi"), Generation.Greedy(8));
        Assert.Equal((8, FinishReason.Length), (answer.Tokens.Length, answer.Sequence.Finish));
        Assert.All(answer.Logprobs, static logprob => Assert.True(float.IsFinite(logprob)));
        Assert.Equal([72, 105], model.Tokenizer.Encode("Hi"));
    }

    // A server sends a piece when a token has text: without any, the time to the first token of random weights would be that to the last.
    [Fact]
    public void EveryTokenOfItsVocabularyIsAnotherText()
    {
        using var model = Model.Synthetic("tiny");
        var size = model.Config.VocabularySize;
        Assert.True(size > 256);
        var texts = Enumerable.Range(256, size - 256).Select(token => model.Tokenizer.Decode([token])).ToHashSet();
        Assert.Equal(size - 256, texts.Count);
        Assert.All(texts, static text => Assert.Matches("^ [a-z]{5}$", text));
        Assert.All(model.Tokenizer.Encode(string.Concat(texts)), static token => Assert.InRange(token, 0, 255));
    }

    private static KvasirException Refusal(string name) => Assert.Throws<KvasirException>(() => SyntheticShape.Parse(name));

    private static float[] Decode(WeightMatrix matrix)
    {
        var values = new float[matrix.Rows * matrix.Columns];
        for (var row = 0; row < matrix.Rows; row++)
            WeightRow.Decode(matrix.Type, matrix.Row(row), values.AsSpan(row * matrix.Columns, matrix.Columns));
        return values;
    }
}
