namespace Kvasir.Evaluation.Results;

/// <summary>What every result of an evaluation shares, so that it can be made again.</summary>
/// <param name="Model">Its name.</param>
/// <param name="Shape">Of the model, in words: layers, heads, dimensions, parameters.</param>
/// <param name="Machine">Processor, cores and memory, in words.</param>
/// <param name="Kvasir">The version.</param>
/// <param name="Kv">How keys and values were stored.</param>
/// <param name="Threads">That computed.</param>
/// <param name="Seed">Of the samples.</param>
/// <param name="CommandLine">That does it again.</param>
public sealed record EvaluationSettings(string Model, string Shape, string Machine, string Kvasir, string Kv, int Threads, ulong Seed, string CommandLine);
