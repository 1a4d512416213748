// Two models of one process, which share memory and threads:
//     dotnet run -c Release --project samples/TwoModels
using Kvasir;
using Kvasir.Cache;

using var first = Model.Load("stories260K");
using var second = Model.Load("needle");
var memory = new MemoryBudget(limitBytes: 1L << 30);   // pages, indexes and scratch of both
using var workers = new WorkerPool(workerCount: 2);
using var small = new EngineLoop(new Engine(first, new EngineOptions { Memory = memory, Workers = workers }));
using var large = new EngineLoop(new Engine(second, new EngineOptions { Memory = memory, Workers = workers }));

var story = new Sequence(first.Tokenizer.Encode("Once upon a time"), new GenerationOptions { MaxTokens = 8, Sampling = SamplingOptions.Greedy });
var words = new Sequence(second.Tokenizer.Encode("key capel 42 . key capel"), new GenerationOptions { MaxTokens = 2, Sampling = SamplingOptions.Greedy });
await small.SubmitAsync(story);
await large.SubmitAsync(words);
await foreach (var token in story.ReadAllAsync())
    Console.Write(token.Text);
Console.WriteLine();
await foreach (var token in words.ReadAllAsync())
    Console.Write(token.Text);
Console.WriteLine();
