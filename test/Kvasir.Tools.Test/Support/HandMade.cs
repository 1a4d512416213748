using Kvasir.Evaluation;
using Kvasir.Evaluation.Results;

namespace Kvasir.Tools.Test.Support;

/// <summary>Samples with the figures that a test is about.</summary>
internal static class HandMade
{
    public static readonly EvaluationSettings Settings = new()
    {
        Model = "tiny & <small>",
        Shape = "2 layers",
        Machine = "a machine",
        Seed = 7,
        Version = "1.2.3",
        Threads = 2,
        Kv = "bf16",
        Command = "kvasir eval ruler tiny --samples 2",
    };

    public static EvaluatedSample Of(string policy, int sample, double score, double keysRead = 1) => new()
    {
        Task = "vt",
        Context = 4096,
        PromptTokens = 4090,
        Protocol = Protocol.QuestionDense,
        Policy = policy,
        Sample = sample,
        Score = score,
        DecodedTokens = 10,
        KeysRead = keysRead,
        LayerKeysRead = [1, keysRead],
        BytesPerToken = 2e6 * keysRead,
        PromptMs = 100,
        DecodeMs = 50,
    };
}
