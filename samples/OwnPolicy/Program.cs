// A way to read the cache that Kvasir does not have, held against dense attention while it runs:
//     dotnet run -c Release --project samples/OwnPolicy
using Kvasir;
using Kvasir.Attention.Policies;
using OwnPolicy;

PolicyCatalog.Register(EveryOther.Entry);

using var model = Model.Load("stories260K");
var prompt = model.Tokenizer.Encode(string.Concat(Enumerable.Repeat("Lily and Tom went to the park to play. ", 20)));
foreach (var policy in PolicyCatalog.Spec("every-other:sinks=4,recent=16,min-context=0").Sweep())
{
    using var engine = new Engine(model, new EngineOptions { Attention = policy.Create(), AuditShare = 1 });
    var sequence = new Sequence([.. prompt], new GenerationOptions { MaxTokens = 20, Sampling = SamplingOptions.Greedy });
    engine.Submit(sequence);
    while (engine.Step())
    {
    }

    var audit = sequence.AuditFigures!;
    Console.WriteLine($"{policy}: {audit.KeysReadShare:P0} of the keys hold {audit.MassKept:P1} of the attention");
}
