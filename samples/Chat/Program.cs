// A model in your own process, behind the IChatClient of Microsoft.Extensions.AI:
//     dotnet run -c Release --project samples/Chat
//     dotnet run -c Release --project samples/Chat -- path/to/model "Why is the sky blue?"
using Kvasir;
using Kvasir.Text;
using Microsoft.Extensions.AI;

var (path, question) = args.Length == 2 ? (args[0], args[1]) : ("stories260K", "One day, a little cat named Tom");
try
{
    using var model = Model.Load(path);

    // Instruct models bring a template. The bundled one only tells stories, so it is given the words as they are.
    var template = model.Template ?? ChatTemplate.Parse("{{ messages[-1].content }}", "plain");
    using IChatClient client = new KvasirChatClient(model, template: template);

    var options = new ChatOptions { Temperature = 0, MaxOutputTokens = 120, StopSequences = ["\n\n"] };
    await foreach (var update in client.GetStreamingResponseAsync(question, options))
    {
        Console.Write(update.Text);
        if (update.Contents is [UsageContent usage])
            Console.Error.WriteLine($"\n\n{usage.Details.InputTokenCount} tokens read, {usage.Details.OutputTokenCount} written");
    }

    return 0;
}
catch (KvasirException problem)
{
    Console.Error.WriteLine(problem.Message);
    return 1;
}
