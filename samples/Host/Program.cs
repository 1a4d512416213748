// Kvasir in a host of your own, beside its own routes:
//     dotnet run -c Release --project samples/Host -- --Kvasir:Model=path/to/model --urls http://localhost:5000
//     curl localhost:5000/v1/completions -d '{"prompt":"Once upon a time"}'
//     curl localhost:5000/story
using Kvasir.Server;
using Kvasir.Text;
using Microsoft.Extensions.AI;

var builder = WebApplication.CreateBuilder(args);
builder.AddKvasir(options =>
{
    if (options.Model.Length > 0)
        return;
    // Nobody named one: the bundled model, which only tells stories, so it is given the words as they are.
    options.Model = "stories260K";
    options.UseTemplate(ChatTemplate.Parse("{{ messages[-1].content }}", "plain"));
});
var app = builder.Build();
app.MapKvasir();
app.MapGet("/story", async (IChatClient model) => (await model.GetResponseAsync("One day, a little cat", new() { MaxOutputTokens = 60 })).Text);
app.Run();
